"""A checkout of this repository, run by Docker Compose as docs/deploy.md says."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

from deploy.procfile import ROOT
from tests.harness import Client
from tests.harness.patience import wait_for

COMMAND = ("docker", "compose", "--file", "deploy/compose.yaml")
PORT = 8000
SANDBOX_PORT = 9100
BUILT_FROM = {
    "PYTHON_IMAGE": "fluxkeep-test/python",
    "REDIS_IMAGE": "fluxkeep-test/valkey",
    "POSTGRES_IMAGE": "fluxkeep-test/postgres",
}


def environment() -> dict[str, str]:
    """Of a shell without any settings."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST")}


class Compose:
    """An installation, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        clone = ["git", "clone", "--quiet", str(ROOT), str(directory)]
        subprocess.run(clone, check=True)
        # With what is changed and not committed; a new file must be known to git.
        diff = ["git", "diff", "HEAD"]
        changed = subprocess.run(diff, cwd=ROOT, check=True, capture_output=True).stdout
        if changed:
            apply = ["git", "apply"]
            subprocess.run(apply, cwd=directory, input=changed, check=True)
        self.admin_key = secrets.token_urlsafe(24)
        self.webhook_secret = secrets.token_urlsafe(24)
        self.settings = {
            "WEBHOOK_SECRET": self.webhook_secret,
            "SECRET_KEY": secrets.token_urlsafe(24),
            "API_KEYS": f"me:{self.admin_key}:admin",
            "PUBLIC_URL": f"http://127.0.0.1:{PORT}",
            "BFL_API_KEY": "bfl_of_the_tests",
            "BFL_SANDBOX_URL": f"http://127.0.0.1:{SANDBOX_PORT}",
            "REDIS_PASSWORD": secrets.token_hex(16),
            "POSTGRES_PASSWORD": secrets.token_hex(16),
            **BUILT_FROM,
        }
        self.configure()

    def configure(self, **settings: str) -> None:
        """Write deploy/.env with these settings besides those that it had."""
        self.settings |= settings
        lines = [f"{name}={value}\n" for name, value in self.settings.items()]
        (self.directory / "deploy/.env").write_text("".join(lines))

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run `docker compose` with these arguments, whatever its exit code."""
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.directory,
            env=environment(),
            input=stdin,
            capture_output=True,
            check=False,
        )

    def type(self, lines: str) -> None:
        """Run lines of a shell in the checkout, which must succeed, as docs/ has them."""
        result = subprocess.run(
            ["/bin/sh", "-eu", "-c", lines],
            cwd=self.directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        output = result.stdout + result.stderr
        assert result.returncode == 0, output.decode(errors="replace")[-4000:]

    def succeed(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run `docker compose`, which must succeed; return its output."""
        result = self.run(*arguments, stdin=stdin)
        output = result.stdout + result.stderr
        assert result.returncode == 0, output.decode(errors="replace")[-4000:]
        return result.stdout

    def judge(self) -> subprocess.CompletedProcess[bytes]:
        """The first command of an upgrade."""
        return self.run("run", "--rm", "--no-deps", "--build", "release")

    def containers(self, *services: str) -> list[str]:
        """The ids of the containers that run."""
        return sorted(self.succeed("ps", "--quiet", *services).decode().split())

    def client(self) -> Client:
        return Client(f"http://127.0.0.1:{PORT}", self.admin_key, self.webhook_secret)

    def wait_until_ready(self) -> None:
        """Until `/readyz` is 200. Raises TimeoutError."""
        client = self.client()

        def is_ready() -> bool:
            try:
                return client.get("/readyz").status_code == 200
            except OSError:
                return False

        wait_for("it is ready", is_ready, 60)
        client.close()


def inspect(container: str, template: str) -> str:
    """A property of a container, as `docker inspect` formats it."""
    command = ["docker", "inspect", "--format", template, container]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def relay_sandbox(container: str, socket: Path) -> "subprocess.Popen[bytes]":
    """Bring the sandbox to the loopback of a container."""
    process_id = inspect(container, "{{.State.Pid}}")
    command = [
        "nsenter",
        "--net",
        "--target",
        process_id,
        sys.executable,
        "-m",
        "tests.image.relay",
    ]
    return subprocess.Popen([*command, "tcp", str(SANDBOX_PORT), str(socket)], cwd=ROOT)
