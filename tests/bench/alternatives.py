"""Handlers that users would write instead of using Fluxkeep, installed once under var/."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import requests

from deploy import procfile
from deploy.procfile import ROOT
from tests.harness import node
from tests.harness.patience import wait_for
from tests.harness.ports import free_port
from tests.harness.process import Process

HANDLERS = ROOT / "tests" / "bench" / "handlers"
INSTALLED = ROOT / "var" / "bench"
PROGRAM, LOCK = "express_bullmq.mjs", "package-lock.json"
INSTALL_SECONDS = 300
START_SECONDS = 30.0


class Handler(NamedTuple):
    """A callback handler; its command listens on $PORT with two processes."""

    name: str
    command: list[str]
    settings: Mapping[str, str]


def express_bullmq(*, records: bool = False) -> Handler:
    """Verify and enqueue; `records` also writes a record, indexes and an event before.

    Raises NodeMissing.
    """
    if not _is_installed():
        shutil.rmtree(INSTALLED, ignore_errors=True)
        shutil.copytree(HANDLERS, INSTALLED)
        subprocess.run(node.ci(), cwd=INSTALLED, check=True, timeout=INSTALL_SECONDS)
    shutil.copy(HANDLERS / PROGRAM, INSTALLED / PROGRAM)
    command = [node.find("node"), str(INSTALLED / PROGRAM)]
    if records:
        return Handler("Express + BullMQ that records", command, {"RECORDS": "1"})
    return Handler("Express + BullMQ", command, {})


def _is_installed() -> bool:
    lock, is_complete = INSTALLED / LOCK, (INSTALLED / "node_modules/.package-lock.json").exists()
    return is_complete and lock.read_text() == (HANDLERS / LOCK).read_text()


@contextmanager
def running(
    handler: Handler, directory: Path, settings: Mapping[str, str]
) -> Iterator[tuple[str, Process]]:
    """Run the handler; yields its URL and its process."""
    port = str(free_port())
    environment = procfile.environment(
        {**settings, **handler.settings, "PORT": port, "WEB_CONCURRENCY": "2"}
    )
    log = directory / f"{handler.name}.log"
    process = Process(handler.name, handler.command, environment, log, INSTALLED)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(handler.name, partial(_answers, url, process), START_SECONDS)
        yield url, process
    finally:
        process.kill_all()


def _answers(url: str, process: Process) -> bool:
    if not process.alive:
        raise RuntimeError(f"{process.name} has ended:\n{process.output()}")
    try:
        return requests.get(f"{url}/healthz", timeout=5).ok
    except requests.ConnectionError:
        return False
