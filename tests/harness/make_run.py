"""A `make run` in a copy of this repository, as a new clone would have it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dotenv import dotenv_values

from deploy.procfile import ROOT, environment
from tests.harness import processes
from tests.harness.client import Client
from tests.harness.patience import wait_for
from tests.harness.ports import free_port
from tests.harness.process import Process

SETTINGS = (
    "REDIS_URL",
    "DATABASE_URL",
    "BFL_API_KEY",
    "BFL_SANDBOX_URL",
    "MEDIA_URL",
    "PUBLIC_URL",
    "API_KEYS",
)
PARTS = {
    "web": r"gunicorn ",
    "worker": r"worker $",
    "sweep": r"worker\.sweep",
    "sandbox": r"tests\.sandbox",
    "redis": r"valkey-server 127",
}


class Run:
    """A `make run` in a directory of its own, where an unusable Redis is installed."""

    def __init__(self, directory: Path, port: int, **settings: str) -> None:
        self.directory = directory
        self.url = f"http://127.0.0.1:{port}"
        self.own = {**dict.fromkeys(SETTINGS, ""), "ENV_FILE": "", "PORT": str(port), **settings}
        given = environment(self.own)
        self.path = f"{_unusable_redis(directory)}{os.pathsep}{given['PATH']}"
        given["PATH"] = self.path
        command = [sys.executable, "-m", "deploy.run"]
        self.process = Process("run", command, given, directory / f"run-{port}.log", directory)

    def printed(self, pattern: str) -> re.Match[str]:
        """The first match in its output, waited for."""
        return wait_for(pattern, lambda: self._found(pattern), 60.0)

    def _found(self, pattern: str) -> re.Match[str] | None:
        found = re.search(pattern, self.process.output())
        assert found or self.process.alive, self.process.output()[-3000:]
        return found

    def made(self) -> dict[str, str]:
        values = dotenv_values(self.directory / "var/run.env")
        return {name: value for name, value in values.items() if value}

    def keys(self) -> dict[str, str]:
        """Keys by their scope."""
        entries = (entry.split(":") for entry in self.made()["API_KEYS"].split(","))
        return {scope: key for _, key, scope in entries}

    def client(self) -> Client:
        return Client(self.url, self.keys()["admin"])

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that is typed in the same directory, in a shell without any settings."""
        settings = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.directory)}
        flask = [sys.executable, "-m", "flask", "--app", "receiver", *arguments]
        return subprocess.run(
            flask,
            check=False,
            cwd=self.directory,
            env=settings,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def pid(self, part: str) -> int:
        lines = {pid: processes.command_line(pid) for pid in self.offspring()}
        return next(pid for pid, line in lines.items() if re.search(PARTS[part], line))

    def offspring(self) -> list[int]:
        return processes.descendants(self.process.pid)

    def clear_away(self) -> None:
        for pid in self.offspring():
            processes.send(pid, signal.SIGKILL)
        self.process.kill_all()


def _unusable_redis(directory: Path) -> Path:
    """Another version could not read the data that ours writes: it must never be started."""
    programs = directory / "installed"
    programs.mkdir(exist_ok=True)
    for name in ("redis-server", "valkey-server"):
        (programs / name).write_text("#!/bin/sh\necho an installed Redis was started\nexit 1\n")
        (programs / name).chmod(0o755)
    return programs


def copy(directory: Path) -> Path:
    """A directory with what a clone would hold, without data and keys."""
    made_here = shutil.ignore_patterns(".*", "var", "node_modules")
    return Path(shutil.copytree(ROOT, directory / "fluxkeep", ignore=made_here))


@contextmanager
def running(directory: Path, **settings: str) -> Iterator[Run]:
    run = Run(directory, free_port(), **settings)
    try:
        yield run
    finally:
        run.clear_away()
