"""What users would pick instead of Fluxkeep, installed once under var/ and started beside it."""

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

HERE = ROOT / "tests" / "bench" / "others"
_BUILT = ROOT / "var" / "bench"
INSTALL_SECONDS = 300
START_SECONDS = 30.0
PROCESSES = 2


class Rival(NamedTuple):
    """A handler of callbacks; its command listens on $PORT with two processes."""

    name: str
    command: list[str]
    directory: Path = ROOT


def express_bullmq() -> Rival:
    """Raises NodeMissing."""
    place = _BUILT / "javascript"
    names = ("package.json", "package-lock.json", ".npmrc", "express_bullmq.mjs")
    if _is_new(place, "package-lock.json"):
        for name in names:
            shutil.copy(HERE / name, place / name)
        subprocess.run(node.ci(), cwd=place, check=True, timeout=INSTALL_SECONDS)
        _installed(place, "package-lock.json")
    shutil.copy(HERE / names[-1], place / names[-1])
    return Rival("Express + BullMQ", [node.find("node"), str(place / names[-1])], place)


def fastapi_arq() -> Rival:
    place = _BUILT / "python"
    python = place / "bin" / "python"
    if _is_new(place, "requirements.txt"):
        venv.create(place, with_pip=True)
        wanted = ["-r", str(HERE / "requirements.txt")]
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted], check=True, timeout=INSTALL_SECONDS)
        _installed(place, "requirements.txt")
    options = ["--workers", str(PROCESSES), "--no-access-log", "--log-level", "warning"]
    app = ["uvicorn", "--app-dir", str(HERE), "fastapi_arq:app"]
    return Rival("FastAPI + arq", [str(python), "-m", *app, *options])


def sample_flask() -> Rival:
    options = ["--workers", str(PROCESSES), "--threads", "16", "--log-level", "warning"]
    app = ["gunicorn", "tests.bench.others.sample_flask:app"]
    return Rival("BFL's sample in Flask", [sys.executable, "-m", *app, *options])


@contextmanager
def running(rival: Rival, directory: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Its URL."""
    port = str(free_port())
    environment = procfile.environment({**settings, "PORT": port, "WEB_CONCURRENCY": "2"})
    command = [*rival.command, "--port", port] if "uvicorn" in rival.command else rival.command
    log = directory / f"{rival.name.split()[0]}.log"
    process = Process(rival.name, command, environment, log, rival.directory)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(rival.name, partial(_answers, url, process), START_SECONDS)
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


def _is_new(place: Path, lock: str) -> bool:
    stamp = place / ".installed"
    if stamp.exists() and stamp.read_text() == _digest(lock):
        return False
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return True


def _installed(place: Path, lock: str) -> None:
    (place / ".installed").write_text(_digest(lock))


def _digest(lock: str) -> str:
    return hashlib.sha256((HERE / lock).read_bytes()).hexdigest()
