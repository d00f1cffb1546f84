"""Handlers that users would write instead of using Fluxkeep, installed once under var/."""

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import requests

from deploy import procfile
from deploy.local_redis import free_port
from deploy.procfile import ROOT
from tests.harness import node
from tests.harness.patience import wait_for
from tests.harness.process import Process

HERE = ROOT / "tests" / "bench" / "handlers"
_BUILT = ROOT / "var" / "bench"
INSTALL_SECONDS = 300
START_SECONDS = 30.0
PROCESSES = 2


class Handler(NamedTuple):
    """A callback handler; its command listens on $PORT with two processes."""

    name: str
    command: list[str]
    directory: Path = ROOT
    settings: Mapping[str, str] = {}


def express_bullmq(*, records: bool = False) -> Handler:
    """Verify and enqueue; `records` also writes a record, indexes and an event before.

    Raises NodeMissing.
    """
    directory = _BUILT / "javascript"
    names = ("package.json", "package-lock.json", ".npmrc", "express_bullmq.mjs")
    if _is_new(directory, "package-lock.json"):
        for name in names:
            shutil.copy(HERE / name, directory / name)
        subprocess.run(node.ci(), cwd=directory, check=True, timeout=INSTALL_SECONDS)
        _installed(directory, "package-lock.json")
    shutil.copy(HERE / names[-1], directory / names[-1])
    command = [node.find("node"), str(directory / names[-1])]
    if records:
        return Handler("Express + BullMQ that records", command, directory, {"RECORDS": "1"})
    return Handler("Express + BullMQ", command, directory)


def fastapi_arq() -> Handler:
    directory = _BUILT / "python"
    python = directory / "bin" / "python"
    if _is_new(directory, "requirements.txt"):
        venv.create(directory, with_pip=True)
        requirements = ["-r", str(HERE / "requirements.txt")]
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements], check=True, timeout=INSTALL_SECONDS)
        _installed(directory, "requirements.txt")
    options = ["--workers", str(PROCESSES), "--no-access-log", "--log-level", "warning"]
    app = ["uvicorn", "--app-dir", str(HERE), "fastapi_arq:app"]
    return Handler("FastAPI + arq", [str(python), "-m", *app, *options])


def sample_flask() -> Handler:
    options = ["--workers", str(PROCESSES), "--threads", "16", "--log-level", "warning"]
    app = ["gunicorn", "tests.bench.handlers.sample_flask:app"]
    return Handler("BFL's sample in Flask", [sys.executable, "-m", *app, *options])


@contextmanager
def running(handler: Handler, directory: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Run the handler; yields its URL."""
    port = str(free_port())
    environment = procfile.environment(
        {**settings, **handler.settings, "PORT": port, "WEB_CONCURRENCY": "2"}
    )
    command = (
        [*handler.command, "--port", port] if "uvicorn" in handler.command else handler.command
    )
    log = directory / f"{handler.name}.log"
    process = Process(handler.name, command, environment, log, handler.directory)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(handler.name, partial(_answers, url, process), START_SECONDS)
        yield url
    finally:
        process.kill_all()


def _answers(url: str, process: Process) -> bool:
    if not process.alive:
        raise RuntimeError(f"{process.name} has ended:\n{process.output()}")
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.ConnectionError:
        return False


def _is_new(directory: Path, lock: str) -> bool:
    stamp = directory / ".installed"
    if stamp.exists() and stamp.read_text() == _digest(lock):
        return False
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return True


def _installed(directory: Path, lock: str) -> None:
    (directory / ".installed").write_text(_digest(lock))


def _digest(lock: str) -> str:
    return hashlib.sha256((HERE / lock).read_bytes()).hexdigest()
