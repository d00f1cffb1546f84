"""Latency and memory of Redis by number of stored jobs.

Two servers of Redis with a thousand and a hundred thousand jobs run at the same time, each with a
web process, and are measured in turn. It takes a minute.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from redis import Redis

from jobs import services
from jobs.config import settings
from jobs.store.redis.keys import RECORD_PREFIX
from receiver.schemas.formats import format_cursor
from tests.bench import constant_rate, load, stored_jobs
from tests.bench.environment import milliseconds
from tests.harness import Client, Installation, RedisServer, stock
from tests.harness.installation import WEBHOOK_SECRET
from worker.sweep import sweep

SIZES = (1_000, 100_000)
WRITERS = 2
LIMIT = 50
WARM_UP, ROUNDS = 2, 9
REPETITIONS = 10
CALLBACKS_PER_SECOND, CALLBACK_SECONDS = 200.0, 1.0
SAMPLE = 1_000
TARGET_BYTES = 1_500


class Population:
    """An installation with a number of stored jobs, and its measurements."""

    def __init__(self, installation: Installation, size: int) -> None:
        self.installation = installation
        self.size = size
        self.client = installation.client()
        variables = {
            name: value for name, value in installation.settings.items() if value is not None
        }
        self.parts = services.for_background(settings.load(variables))
        self.times: dict[str, list[float]] = {}
        empty = self.used()
        urls = [(self.installation.redis.url, range(n, self.size, WRITERS)) for n in range(WRITERS)]
        with get_context("spawn").Pool(WRITERS) as writers:
            writers.starmap(_write, urls)
        self.bytes = (self.used() - empty) / size

    def used(self) -> int:
        with self.installation.redis.client() as redis:
            return int(redis.info("memory")["used_memory"])

    def bytes_of_record(self) -> float:
        """Mean memory of a sample of records with their keys, as Redis reports it."""
        numbers = range(0, self.size, max(1, self.size // SAMPLE))
        keys = [RECORD_PREFIX + stored_jobs.position(n).id for n in numbers]
        with self.installation.redis.client() as redis:
            return sum(redis.memory_usage(key) or 0 for key in keys) / len(keys)

    def measure(self) -> None:
        """Measure each step several times."""
        callbacks = self.installation.directory / "callbacks"
        load.write_callbacks(
            callbacks, WEBHOOK_SECRET, int(CALLBACKS_PER_SECOND * CALLBACK_SECONDS)
        )
        called = constant_rate.run(
            self.installation.url, callbacks, rate=CALLBACKS_PER_SECOND, seconds=CALLBACK_SECONDS
        )
        self._record("`POST /webhooks/bfl`", called.p50)
        middle = format_cursor(stored_jobs.position(self.size // 2))
        self._time(f"`GET /api/jobs`, first page of {LIMIT}", lambda: _page(self.client))
        self._time("the same by a cursor, in the middle", lambda: _page(self.client, middle))
        known = stored_jobs.position(self.size // 2).id
        self._time("`GET /api/jobs/<id>`", lambda: self.client.job(known))
        with ThreadPoolExecutor(1) as pool:
            waited = [_long_poll(self.client, pool) for _ in range(REPETITIONS)]
        self._record("long poll, after the end of its job", median(waited))
        self._time("a sweep with no due job", lambda: sweep(self.parts))

    def _time(self, what: str, act: Callable[[], object]) -> None:
        self._record(what, median(milliseconds(act) for _ in range(REPETITIONS)))

    def _record(self, what: str, milliseconds: float) -> None:
        self.times.setdefault(what, []).append(milliseconds)


def main() -> None:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as name, ExitStack() as stack:
        populations = [
            stack.enter_context(_population(Path(name) / str(size), size)) for size in SIZES
        ]
        for n in range(WARM_UP + ROUNDS):
            for one in populations:
                one.measure()
                if n < WARM_UP:
                    one.times.clear()
        print(_table(populations))
        largest = populations[-1]
        print(
            f"\nRedis memory at {largest.size:,} stored jobs: {largest.bytes:,.0f} bytes each "
            f"({largest.bytes / TARGET_BYTES:.2f} of the target of {TARGET_BYTES:,}), of which "
            f"{largest.bytes_of_record():,.0f} are the record"
        )


@contextmanager
def _population(directory: Path, size: int) -> Iterator[Population]:
    directory.mkdir()
    with (
        RedisServer(directory / "redis") as redis,
        Installation(directory, redis, LOG_LEVEL="WARNING", WEB_CONCURRENCY="1") as installation,
    ):
        installation.start("web")
        yield Population(installation, size)


def _write(url: str, numbers: range) -> None:
    with Redis.from_url(url) as redis:
        stock.put_in(redis, map(stored_jobs.stored, numbers))


def _page(client: Client, after: str | None = None) -> None:
    """Read a whole page."""
    found = client.jobs(limit=LIMIT, cursor=after)
    assert len(found) == LIMIT, len(found)


def _long_poll(client: Client, pool: ThreadPoolExecutor) -> float:
    """Milliseconds from the final callback of a job to the answer of its long poll."""
    name = secrets.token_hex(16)
    client.put_job(name).raise_for_status()
    answer = pool.submit(client.get, f"/api/jobs/{name}?wait=30")
    time.sleep(0.05)  # the long poll has started

    def end() -> None:
        client.callback({"id": name, "status": "Error"}).raise_for_status()
        answer.result()

    return milliseconds(end)


def _table(populations: list[Population]) -> str:
    smallest, *others = populations
    sizes = " | ".join(f"{one.size:,} jobs" for one in populations)
    ratios = " | ".join(f"{one.size:,} to {smallest.size:,}" for one in others)
    rows = [
        f"| one at a time, p50 in ms | {sizes} | {ratios} |",
        "|---" * (2 * len(populations)) + "|",
    ]
    for what in smallest.times:
        found = [median(one.times[what]) for one in populations]
        shown = [f"{one:.2f}" for one in (*found, *(one / found[0] for one in found[1:]))]
        rows.append(f"| {what} | " + " | ".join(shown) + " |")
    return "\n".join(rows)
