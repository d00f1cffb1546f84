"""Images of 1 MB from callback to record, compared with peers that do the same work, and with curl.

Each has a fresh Redis and one process for callbacks; all are measured by turns. It takes about two
minutes.
"""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from redis import Redis

from tests.bench import alternatives, constant_rate, delivery, load
from tests.bench.alternatives import Peer, Running
from tests.bench.memory import MB, proportional
from tests.harness import Installation, RedisServer
from tests.harness.client import Client
from tests.harness.installation import WEBHOOK_SECRET
from tests.harness.patience import wait_for
from tests.harness.processes import cpu_seconds

SEQUENTIAL, WARM_UP = 10, 3  # images one after the other
CONCURRENT, FEW = 400, 30  # images at once
CALLBACKS_PER_SECOND = 500
TURNS = 3
POLL_SECONDS = 0.001
MEMORY_EVERY_SECONDS = 0.5
OWN, CURL = "Fluxkeep", "curl --parallel; curl, then fsync"
FLASK = "Flask + RQ"
THUMBNAILS = "fluxkeep:thumbnails"


class Contender(NamedTuple):
    """Something that runs and stores images; ids of the stored ones are in a sorted set."""

    running: Running
    redis: RedisServer
    stored: str

    def memory(self) -> float:
        """Proportional MB of its processes, without Redis."""
        return sum(map(proportional, self.running.pids())) / MB

    def cpu_seconds(self) -> float:
        """Of its processes and of Redis."""
        return sum(map(cpu_seconds, [*self.running.pids(), self.redis.pid]))


class Turn(NamedTuple):
    """Images a second, processor milliseconds of an image, MB, and milliseconds one at a time."""

    rate: float
    cpu: float
    memory: float
    latency: float


def main() -> None:
    contenders = {
        OWN: partial(_fluxkeep, workers=1),
        "Fluxkeep, two workers": partial(_fluxkeep, workers=2),
        alternatives.BULLMQ: partial(_peer, alternatives.express_bullmq()),
        FLASK: partial(_peer, alternatives.flask_rq()),
    }
    turns: dict[str, list[Turn]] = {name: [] for name in (CURL, *contenders)}
    with (
        TemporaryDirectory(prefix="fluxkeep-bench-") as name,
        delivery.serving(Path(name)) as images,
    ):
        for _ in range(TURNS):
            turns[CURL].append(_curl(Path(name), images))
            for contender, start in contenders.items():
                count = FEW if contender == FLASK else CONCURRENT
                with _directory(Path(name)) as directory, start(directory, images) as one:
                    turns[contender].append(_turn(one, directory, images, count))
    print("| 1 MB | images/s | to ours | CPU, ms | MB | one at a time, ms | to ours |")
    print("|---" * 7 + "|")
    for name, taken in turns.items():
        print(_row(name, taken, turns[OWN]))


def _row(name: str, turns: list[Turn], own: list[Turn]) -> str:
    """Medians; a ratio compares within a turn, because the machine may be shared."""
    middle = Turn(*(median(values) for values in zip(*turns, strict=True)))
    pairs = list(zip(turns, own, strict=True))
    rate = f"{middle.rate:.0f} | {median(one.rate / ours.rate for one, ours in pairs):.2f}"
    late = f"{middle.latency:.0f} | {median(one.latency / ours.latency for one, ours in pairs):.1f}"
    memory = f"{middle.memory:.0f}" if middle.memory else ""
    return f"| {name} | {rate} | {middle.cpu:.1f} | {memory} | {late} |"


# Those that run.


@contextmanager
def _directory(parent: Path) -> Iterator[Path]:
    directory = parent / secrets.token_hex(4)
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)


@contextmanager
def _fluxkeep(directory: Path, images: str, workers: int) -> Iterator[Contender]:
    with (
        RedisServer(directory / "redis") as server,
        Installation(directory, server, images, LOG_LEVEL="WARNING") as fluxkeep,
    ):
        fluxkeep.start("web")
        fluxkeep.start("worker", n=workers)
        running = Running(fluxkeep.url, fluxkeep.web + fluxkeep.worker)
        yield Contender(running, server, "fluxkeep:jobs:stored")


@contextmanager
def _peer(peer: Peer, directory: Path, _images: str) -> Iterator[Contender]:
    with RedisServer(directory / "redis") as server:
        settings = {"REDIS_URL": server.url, "WEBHOOK_SECRET": WEBHOOK_SECRET}
        settings["WEB_CONCURRENCY"] = "1"
        with alternatives.running(peer, directory, settings, has_worker=True) as running:
            yield Contender(running, server, "jobs:stored")


# Measurements.


def _turn(one: Contender, directory: Path, images: str, count: int) -> Turn:
    with one.redis.client() as redis:
        client = Client(one.running.url, secret=WEBHOOK_SECRET)
        times = [_one_by_one(one, client, redis, images) for _ in range(WARM_UP + SEQUENTIAL)]
        client.close()
        path, before = directory / "callbacks", redis.zcard(one.stored)
        load.write_callbacks(path, WEBHOOK_SECRET, count, images)
        cpu, started = one.cpu_seconds(), time.perf_counter()
        constant_rate.run(
            one.running.url, path, rate=CALLBACKS_PER_SECOND, seconds=count / CALLBACKS_PER_SECOND
        )
        samples = [one.memory()]
        while redis.zcard(one.stored) < before + count:
            time.sleep(POLL_SECONDS * 10)
            if time.perf_counter() - started > len(samples) * MEMORY_EVERY_SECONDS:
                samples.append(one.memory())
        seconds = time.perf_counter() - started
        spent = (one.cpu_seconds() - cpu) * 1000 / count
        return Turn(count / seconds, spent, max(samples), median(times[WARM_UP:]) * 1000)


def _one_by_one(one: Contender, client: Client, redis: Redis, images: str) -> float:
    """Seconds from a callback to the record that says stored."""
    task_id = secrets.token_hex(16)
    started = time.perf_counter()
    client.callback(load.report(task_id, images), "signature").raise_for_status()
    while redis.zscore(one.stored, task_id) is None:
        time.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - started
    wait_for("every thumbnail", lambda: not redis.zcard(THUMBNAILS), 60)
    return seconds


def _curl(directory: Path, images: str) -> Turn:
    """Into a directory: all at once and a sync of the disk, then one by one."""
    curl = shutil.which("curl") or sys.exit("This one needs curl (apt-get install curl).")
    place = directory / "curl"
    place.mkdir(exist_ok=True)
    options = [curl, "-s", "--no-progress-meter", "--parallel", "--parallel-max", "16"]
    before, started = os.times(), time.perf_counter()
    urls = f"{images}/results/[1-{CONCURRENT}]"
    subprocess.run([*options, "-o", f"{place}/#1.jpg", urls], check=True)
    os.sync()
    seconds, after = time.perf_counter() - started, os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    times = [_curl_one(curl, place, images) for _ in range(SEQUENTIAL)]
    return Turn(CONCURRENT / seconds, spent * 1000 / CONCURRENT, 0, median(times) * 1000)


def _curl_one(curl: str, place: Path, images: str) -> float:
    started = time.perf_counter()
    path = place / "one.jpg"
    subprocess.run([curl, "-s", "-o", str(path), f"{images}/curl"], check=True)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return time.perf_counter() - started
