"""How soon and how fast pictures of 1 MB are rescued, beside curl from the same host.

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

from tests.bench import delivery, load, pace
from tests.bench.memory import MB, proportional
from tests.harness import Installation, RedisServer
from tests.harness.client import Client
from tests.harness.invariants import undrawn
from tests.harness.patience import wait_for

ALONE = 30  # pictures one after the other
WARM_UP = 5
TOGETHER = 600  # pictures at once
AT_ONCE = 16  # transfers that curl has under way
CALLED_A_SECOND = 500
TURNS = 3


def main() -> None:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as name:
        directory = Path(name)
        with delivery.serving(directory) as pictures:
            print("| one picture of 1 MB at a time | p50 ms | p99 ms |")
            print("|---|---|---|")
            with installation(directory, pictures, 1) as keep:
                ours, theirs = _one_by_one(keep, pictures)
            print(_row("callback to stored", ours))
            print(_row("curl, then fsync", theirs))
            print("\n| pictures of 1 MB at once | per second | to curl | memory per worker, MB |")
            print("|---|---|---|---|")
            curl = median(_curl_all(directory, pictures) for _ in range(TURNS))
            print(f"| curl --parallel, {AT_ONCE} at a time | {curl:.0f} | | |")
            for workers in (1, 2, 4):
                with installation(directory, pictures, workers) as keep:
                    rate, memory = _all_at_once(keep, pictures)
                print(f"| {workers} workers | {rate:.0f} | {rate / curl:.2f} | {memory:.0f} |")


@contextmanager
def installation(directory: Path, pictures: str, workers: int) -> Iterator[Installation]:
    """A web process and some workers of its own over a fresh Redis."""
    place = directory / secrets.token_hex(4)
    place.mkdir()
    server = RedisServer(place / "redis")
    keep = Installation(place, server, pictures, LOG_LEVEL="WARNING")
    try:
        keep.start("web")
        keep.start("worker", n=workers)
        keep.wait_until_ready()
        with server.client() as redis:
            wait_for("the workers", lambda: redis.scard("rq:workers") == workers, 30)
        yield keep
    finally:
        keep.close()
        server.kill()
        shutil.rmtree(place, ignore_errors=True)


def _one_by_one(keep: Installation, pictures: str) -> tuple[list[float], list[float]]:
    """Milliseconds of ours and of curl, by turns."""
    client = keep.client()
    ours, theirs = [], []
    for _ in range(WARM_UP + ALONE):
        ours.append(_timed(lambda: _kept(client, pictures)))
        wait_for("nothing else goes on", lambda: not undrawn(keep), 60)
        theirs.append(_timed(lambda: _curl(keep.directory, pictures)))
    return ours[WARM_UP:], theirs[WARM_UP:]


def _kept(client: Client, pictures: str) -> None:
    task_id = secrets.token_hex(16)
    assert client.callback(load.report(task_id, pictures)).ok
    assert client.get(f"/api/jobs/{task_id}?wait=20").json()["status"] == "stored"


def _curl(directory: Path, pictures: str) -> None:
    path = directory / "curl.jpg"
    subprocess.run([_curl_path(), "-s", "-o", str(path), f"{pictures}/curl"], check=True)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _curl_path() -> str:
    return shutil.which("curl") or sys.exit("This one needs curl (apt-get install curl).")


def _curl_all(directory: Path, pictures: str) -> float:
    """Pictures per second into a directory, written through to the disk."""
    place = directory / "curl"
    place.mkdir(exist_ok=True)
    urls = f"{pictures}/results/[1-{TOGETHER}]"
    command = [
        _curl_path(),
        "-s",
        "--no-progress-meter",
        "--parallel",
        "--parallel-max",
        str(AT_ONCE),
    ]
    started = time.perf_counter()
    subprocess.run([*command, "-o", f"{place}/#1.jpg", urls], check=True, stderr=subprocess.DEVNULL)
    os.sync()
    return TOGETHER / (time.perf_counter() - started)


def _all_at_once(keep: Installation, pictures: str) -> tuple[float, float]:
    """Pictures per second from the first callback to the last commit, and MB of a worker."""
    callbacks = keep.directory / "callbacks"
    secret = keep.settings["WEBHOOK_SECRET"] or ""
    load.write_callbacks(callbacks, secret, TOGETHER, pictures)
    most = 0.0
    with keep.redis.client() as redis:
        started = time.perf_counter()
        pace.run(keep.url, callbacks, rate=CALLED_A_SECOND, seconds=TOGETHER / CALLED_A_SECOND)
        while redis.zcard("fluxkeep:jobs:stored") < TOGETHER:
            most = max(most, _memory(keep))
            time.sleep(0.5)
        return TOGETHER / (time.perf_counter() - started), most / len(keep.worker)


def _memory(keep: Installation) -> float:
    """MB of all workers, with what they fork; what is shared is divided."""
    pids = [pid for one in keep.worker for pid in (one.pid, *one.offspring())]
    return sum(map(proportional, pids)) / MB


def _timed(do: Callable[[], None]) -> float:
    started = time.perf_counter()
    do()
    return (time.perf_counter() - started) * 1000


def _row(name: str, values: list[float]) -> str:
    ordered = sorted(values)
    return f"| {name} | {median(ordered):.0f} | {ordered[int(len(ordered) * 0.99)]:.0f} |"
