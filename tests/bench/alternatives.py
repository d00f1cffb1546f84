"""What users would run instead of Fluxkeep; the ones in JavaScript are installed under var/."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from deploy import procfile
from deploy.procfile import ROOT
from tests.harness import node
from tests.harness.patience import answers, wait_for
from tests.harness.ports import free_port
from tests.harness.process import Process

PEERS = ROOT / "tests" / "bench" / "peers"
INSTALLED = ROOT / "var" / "bench"
LOCK = "package-lock.json"
INSTALL_SECONDS = 300
START_SECONDS = 30.0
BULLMQ = "Express + BullMQ"


class Peer(NamedTuple):
    """Commands: `web` listens on $PORT for callbacks, `worker` stores their images in $MEDIA."""

    name: str
    web: list[str]
    worker: list[str]
    directory: Path
    settings: Mapping[str, str]


def express_bullmq(*, records: bool = True) -> Peer:
    """Verify and enqueue; `records` also writes a record, indexes and an event before.

    Raises NodeMissing.
    """
    if not _is_installed():
        shutil.rmtree(INSTALLED, ignore_errors=True)
        shutil.copytree(PEERS, INSTALLED)
        subprocess.run(node.ci(), cwd=INSTALLED, check=True, timeout=INSTALL_SECONDS)
    for program in PEERS.glob("*.mjs"):
        shutil.copy(program, INSTALLED)
    run = node.find("node")
    web, worker = [run, "express_bullmq.mjs"], [run, "bullmq_worker.mjs"]
    if records:
        return Peer(f"{BULLMQ} that records", web, worker, INSTALLED, {"RECORDS": "1"})
    return Peer(BULLMQ, web, worker, INSTALLED, {})


def flask_rq() -> Peer:
    """As tutorials write it: RQ's own worker forks for each job."""
    web = ["gunicorn", "--bind=127.0.0.1:$PORT", "--threads=4", "tests.bench.peers.flask_app:app"]
    return Peer("Flask + RQ", web, ["rq", "worker", "rescues"], ROOT, {})


def _is_installed() -> bool:
    lock, is_complete = INSTALLED / LOCK, (INSTALLED / "node_modules/.package-lock.json").exists()
    return is_complete and lock.read_text() == (PEERS / LOCK).read_text()


class Running(NamedTuple):
    """A peer that runs: its URL and its processes."""

    url: str
    processes: list[Process]

    def pids(self) -> list[int]:
        """Of the processes and their children."""
        return [pid for one in self.processes for pid in (one.pid, *one.offspring())]


@contextmanager
def running(
    peer: Peer, directory: Path, settings: Mapping[str, str], *, has_worker: bool = False
) -> Iterator[Running]:
    """Run a peer over REDIS_URL, with WEB_CONCURRENCY processes."""
    port, media = str(free_port()), directory / "media"
    media.mkdir(exist_ok=True)
    own = {"PORT": port, "MEDIA": str(media), "RQ_REDIS_URL": settings["REDIS_URL"]}
    environment = procfile.environment({**settings, **peer.settings, **own})
    found = Running(f"http://127.0.0.1:{port}", [])
    try:
        for command in (peer.web, peer.worker)[: 1 + has_worker]:
            words = [word.replace("$PORT", port) for word in command]
            log = directory / f"{Path(command[-1]).name}.log"
            found.processes.append(Process(peer.name, words, environment, log, peer.directory))
        wait_for(peer.name, partial(_answers, found), START_SECONDS)
        yield found
    finally:
        for process in found.processes:
            process.kill_all()


def _answers(peer: Running) -> bool:
    for process in peer.processes:
        if not process.alive:
            raise RuntimeError(f"{process.name} has ended:\n{process.output()}")
    return answers(f"{peer.url}/healthz")
