"""`python -m deploy.all` in one container with a volume, a read-only root and 256 MB."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.procfile import ROOT
from tests.harness import Client
from tests.harness.patience import wait_for
from tests.image.compose import BUILT_FROM, SANDBOX_PORT, Compose, inspect, relay_sandbox

NAME = "fluxkeep-one"
VOLUME = "fluxkeep-one-data"
IMAGE = "fluxkeep-one"
PORT = 8001
MEMORY_AT_REST_BYTES = 150 * 10**6
STOP_SECONDS = 27.0
RESTRICTIONS = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--memory=256m",
)
PARTS = ("valkey-server", "gunicorn", "worker.with_sweep")


def docker(*arguments: str, check: bool = True) -> str:
    command = ["docker", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0 or not check, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


class OneContainer:
    """The container, which may be removed and started anew over the same volume."""

    def __init__(self, image: str, socket: Path) -> None:
        self._image = image
        self._socket = socket
        self._relay: subprocess.Popen[bytes] | None = None

    def start(self) -> Client:
        """Start it as docs/deploy.md says, with a sandbox for BFL; wait until it is ready."""
        settings = {
            "BFL_API_KEY": "bfl_of_the_tests",
            "BFL_SANDBOX_URL": f"http://127.0.0.1:{SANDBOX_PORT}",
            "PUBLIC_URL": f"http://127.0.0.1:{PORT}",
        }
        given = [f"--env={name}={value}" for name, value in settings.items()]
        place = (f"--volume={VOLUME}:/data", f"--publish={PORT}:8000", f"--name={NAME}")
        docker(
            "run",
            "--detach",
            *place,
            *RESTRICTIONS,
            *given,
            self._image,
            "python",
            "-m",
            "deploy.all",
        )
        self._relay = relay_sandbox(NAME, self._socket)
        return self.wait_until_ready()

    def wait_until_ready(self) -> Client:
        client = Client(f"http://127.0.0.1:{PORT}")

        def is_ready() -> bool:
            assert inspect(NAME, "{{.State.Running}}") == "true", docker("logs", NAME)
            try:
                return client.get("/readyz").status_code == 200
            except OSError:
                return False

        wait_for("it is ready", is_ready, 60)
        return Client(f"http://127.0.0.1:{PORT}", self.admin_key())

    def admin_key(self) -> str:
        kept = docker("exec", NAME, "cat", "/data/fluxkeep.env")
        (line,) = (line for line in kept.splitlines() if line.startswith("API_KEYS="))
        return line.split(":")[1]

    def remove(self) -> None:
        if self._relay:
            self._relay.kill()
            self._relay.wait()
            self._relay = None
        docker("rm", "--force", NAME, check=False)


@pytest.fixture(scope="module")
def image() -> str:
    """The name of the image."""
    base = f"PYTHON_IMAGE={BUILT_FROM['PYTHON_IMAGE']}"
    context = ("--file", str(ROOT / "deploy/Dockerfile"), str(ROOT))
    docker("build", "--quiet", "--build-arg", base, "--tag", IMAGE, *context)
    return IMAGE


@pytest.fixture(scope="module")
def container(image: str, sandbox_socket: Path) -> Iterator[OneContainer]:
    running = OneContainer(image, sandbox_socket)
    running.remove()
    docker("volume", "rm", "--force", VOLUME)
    running.start()
    yield running
    running.remove()
    docker("volume", "rm", "--force", VOLUME)


def stored_job(client: Client) -> dict[str, Any]:
    job = client.submit("flux-2-pro", prompt="a small house")
    stored = client.wait_for(job["id"], "stored")
    assert client.get(stored["media"][0]["url"]).status_code == 200
    return stored


def memory_bytes() -> int:
    """What the container takes, without the page cache of files."""
    lines = docker("exec", NAME, "cat", "/sys/fs/cgroup/memory/memory.stat").splitlines()
    by_name = dict(line.split() for line in lines)
    return int(by_name["total_rss"])


def test_an_image_is_stored_and_little_memory_is_taken(container: OneContainer) -> None:
    client = container.wait_until_ready()
    stored_job(client)
    time.sleep(5)
    taken = memory_bytes()
    sys.stdout.write(f"memory at rest: {taken / 1e6:.0f} MB\n")
    assert taken < MEMORY_AT_REST_BYTES


def test_commands_in_the_container_know_its_settings(container: OneContainer) -> None:
    container.wait_until_ready()
    flask = ("exec", NAME, "flask", "--app", "receiver")
    assert "0 failed" in docker(*flask, "doctor", "--release")
    assert "/login/" in docker(*flask, "login")
    assert inspect(NAME, "{{.Config.User}}") == "10001:10001"


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_killed_comes_back(container: OneContainer, part: str) -> None:
    client = container.wait_until_ready()
    job = client.submit("flux-2-pro", prompt=f"before the death of {part}")
    docker("exec", NAME, "pkill", "-KILL", "-o", "-f", part)
    assert client.wait_for(job["id"], "stored", timeout=60)
    container.wait_until_ready()
    assert inspect(NAME, "{{.RestartCount}}") == "0"


def process_ids() -> set[str]:
    _, *lines = docker("top", NAME, "-o", "pid").split()
    return set(lines)


def test_eight_large_requests_at_once_kill_nothing(container: OneContainer) -> None:
    client = container.wait_until_ready()
    before = process_ids()
    body = b'{"model": "flux-2-pro", "input": {"prompt": "x", "input_image": "' + b"A" * 40_000_000
    script = (
        "import sys, requests, threading; body = open(sys.argv[1], 'rb').read();"
        "send = lambda: requests.post(sys.argv[2], data=body, headers={'x-key': sys.argv[3],"
        " 'content-type': 'application/json'}, timeout=120);"
        "threads = [threading.Thread(target=send) for _ in range(8)];"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]"
    )
    path = Path("/tmp") / "fluxkeep-large-body"  # noqa: S108 - of this test alone
    path.write_bytes(body + b'"}}')
    address = f"http://127.0.0.1:{PORT}/api/jobs"
    command = [sys.executable, "-c", script, str(path), address, container.admin_key()]
    subprocess.run(command, check=True)
    path.unlink()
    stored_job(client)
    assert before <= process_ids()
    assert inspect(NAME, "{{.State.OOMKilled}}") == "false"


def test_it_stops_in_time_and_a_new_container_has_everything(container: OneContainer) -> None:
    client = container.wait_until_ready()
    job = stored_job(client)
    began = time.monotonic()
    docker("stop", "--time", "30", NAME)
    assert time.monotonic() - began < STOP_SECONDS
    assert inspect(NAME, "{{.State.ExitCode}}") == "0"
    container.remove()
    restarted = container.start()
    assert restarted.get(job["media"][0]["url"]).status_code == 200
    assert restarted.job(job["id"])["status"] == "stored"


def test_a_power_cut_loses_nothing(container: OneContainer) -> None:
    job = container.wait_until_ready().submit("flux-2-pro", prompt="a storm")
    time.sleep(1.5)  # the append-only file is synced each second
    docker("kill", "--signal", "KILL", NAME)
    container.remove()
    assert container.start().wait_for(job["id"], "stored", timeout=120)


def test_without_a_volume_it_refuses_and_says_what_would_be_lost(image: str) -> None:
    command = ["docker", "run", "--rm", image, "python", "-m", "deploy.all"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "no volume at /data" in refused.stderr
    assert "SECRET_KEY" in refused.stderr


def test_the_small_compose_file_runs_as_written(tmp_path: Path) -> None:
    installation = Compose(tmp_path / "fluxkeep")
    compose = "docker compose --file deploy/compose.small.yaml"
    installation.type(f"{compose} down --volumes")  # of a run that was killed
    try:
        installation.type(f"{compose} up --detach --build --wait")
        installation.wait_until_ready()
        installation.type(f"{compose} exec -T all flask --app receiver doctor --release")
        installation.type(f"{compose} stop")
        assert inspect("fluxkeep-small-all-1", "{{.State.ExitCode}}") == "0"
    finally:
        installation.type(f"{compose} down --volumes")
