"""Latency and throughput of rescues of 1 MB images, compared with curl from the same host.

It takes about two minutes.
"""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.bench import constant_rate, delivery, load
from tests.bench.memory import MB, proportional
from tests.harness import Installation, RedisServer
from tests.harness.client import Client
from tests.harness.invariants import awaiting_thumbnails
from tests.harness.patience import wait_for

SEQUENTIAL = 30  # images one after the other
WARM_UP = 5
CONCURRENT = 600  # images at once
CURL_TRANSFERS = 16  # at the same time
CALLBACKS_PER_SECOND = 500
TURNS = 3
WORKERS = (1, 2)
POLL_SECONDS = 0.05
MEMORY_EVERY_SECONDS = 0.5


def main() -> None:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as name:
        directory = Path(name)
        with delivery.serving(directory) as images:
            print("| one image of 1 MB at a time | p50 ms | p99 ms |")
            print("|---|---|---|")
            with installation(directory, images, 1) as fluxkeep:
                ours, theirs = _one_by_one(fluxkeep, images)
            print(_row("callback to stored", ours))
            print(_row("curl, then fsync", theirs))
            print("\n| images of 1 MB at once | per second | to curl | MB |")
            print("|---|---|---|---|")
            _print_turns([_turn(directory, images) for _ in range(TURNS)])


class _Turn(NamedTuple):
    """Images per second of curl, and of each number of workers with their MB."""

    curl: float
    workers: list[tuple[float, float]]


def _turn(directory: Path, images: str) -> _Turn:
    measured = []
    curl = _curl_all(directory, images)
    for workers in WORKERS:
        with installation(directory, images, workers) as fluxkeep:
            measured.append(_all_at_once(fluxkeep, images))
    return _Turn(curl, measured)


def _print_turns(turns: list[_Turn]) -> None:
    """Medians of the turns; a ratio compares within a turn, because the machine may be shared."""
    curl = median(turn.curl for turn in turns)
    print(f"| curl --parallel, {CURL_TRANSFERS} at a time | {curl:.0f} | | |")
    for n, workers in enumerate(WORKERS):
        rate = median(turn.workers[n][0] for turn in turns)
        ratio = median(turn.workers[n][0] / turn.curl for turn in turns)
        memory = max(turn.workers[n][1] for turn in turns)
        print(f"| workers: {workers} | {rate:.0f} | {ratio:.2f} | {memory:.0f} |")


@contextmanager
def installation(directory: Path, images: str, workers: int) -> Iterator[Installation]:
    """A web process and some workers over a fresh Redis."""
    place = directory / secrets.token_hex(4)
    place.mkdir()
    server = RedisServer(place / "redis")
    fluxkeep = Installation(place, server, images, LOG_LEVEL="WARNING")
    try:
        fluxkeep.start("web")
        fluxkeep.start("worker", n=workers)
        fluxkeep.wait_until_ready()
        with server.client() as redis:
            wait_for("the workers", lambda: redis.scard("rq:workers") == workers, 30)
        yield fluxkeep
    finally:
        fluxkeep.close()
        server.kill()
        shutil.rmtree(place, ignore_errors=True)


def _one_by_one(fluxkeep: Installation, images: str) -> tuple[list[float], list[float]]:
    """Milliseconds of Fluxkeep and of curl, measured alternately."""
    client = fluxkeep.client()
    ours, theirs = [], []
    for _ in range(WARM_UP + SEQUENTIAL):
        ours.append(_timed(lambda: _store(client, images)))
        wait_for("every thumbnail", lambda: not awaiting_thumbnails(fluxkeep), 60)
        theirs.append(_timed(lambda: _curl(fluxkeep.directory, images)))
    return ours[WARM_UP:], theirs[WARM_UP:]


def _store(client: Client, images: str) -> None:
    task_id = secrets.token_hex(16)
    assert client.callback(load.report(task_id, images)).ok
    assert client.get(f"/api/jobs/{task_id}?wait=20").json()["status"] == "stored"


def _curl(directory: Path, images: str) -> None:
    path = directory / "curl.jpg"
    subprocess.run([_curl_path(), "-s", "-o", str(path), f"{images}/curl"], check=True)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _curl_path() -> str:
    return shutil.which("curl") or sys.exit("This one needs curl (apt-get install curl).")


def _curl_all(directory: Path, images: str) -> float:
    """Images per second into a directory, including a sync of the disk."""
    place = directory / "curl"
    place.mkdir(exist_ok=True)
    urls = f"{images}/results/[1-{CONCURRENT}]"
    command = [
        _curl_path(),
        "-s",
        "--no-progress-meter",
        "--parallel",
        "--parallel-max",
        str(CURL_TRANSFERS),
    ]
    started = time.perf_counter()
    subprocess.run([*command, "-o", f"{place}/#1.jpg", urls], check=True, stderr=subprocess.DEVNULL)
    os.sync()
    return CONCURRENT / (time.perf_counter() - started)


def _all_at_once(fluxkeep: Installation, images: str) -> tuple[float, float]:
    """Images per second from the first callback to the last commit, and MB of all workers."""
    callbacks = fluxkeep.directory / "callbacks"
    secret = fluxkeep.settings["WEBHOOK_SECRET"] or ""
    load.write_callbacks(callbacks, secret, CONCURRENT, images)
    with fluxkeep.redis.client() as redis:
        started = time.perf_counter()
        constant_rate.run(
            fluxkeep.url,
            callbacks,
            rate=CALLBACKS_PER_SECOND,
            seconds=CONCURRENT / CALLBACKS_PER_SECOND,
        )
        samples = [_memory(fluxkeep)]
        while redis.zcard("fluxkeep:jobs:stored") < CONCURRENT:
            time.sleep(POLL_SECONDS)
            if time.perf_counter() - started > len(samples) * MEMORY_EVERY_SECONDS:
                samples.append(_memory(fluxkeep))
        return CONCURRENT / (time.perf_counter() - started), max(samples)


def _memory(fluxkeep: Installation) -> float:
    """Proportional MB of all workers and their children."""
    pids = [pid for one in fluxkeep.worker for pid in (one.pid, *one.offspring())]
    return sum(map(proportional, pids)) / MB


def _timed(do: Callable[[], None]) -> float:
    started = time.perf_counter()
    do()
    return (time.perf_counter() - started) * 1000


def _row(name: str, values: list[float]) -> str:
    ordered = sorted(values)
    return f"| {name} | {median(ordered):.0f} | {ordered[int(len(ordered) * 0.99)]:.0f} |"
