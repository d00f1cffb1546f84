"""Whether anything slows down as jobs add up, and what each takes of Redis.

A Redis with a thousand jobs, one with a hundred thousand and one with a million run at the same
time, a web process over each, and are measured by turns. It takes about five minutes.
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
from jobs.services import Services
from jobs.store.keys import RECORD_PREFIX
from receiver.schemas.formats import format_cursor
from tests.bench import load, pace, shelves
from tests.harness import Client, Installation, RedisServer, stock
from tests.harness.installation import WEBHOOK_SECRET
from worker.sweep import sweep

INPUT_SIZES = (1_000, 100_000, 1_000_000)
WRITERS = 2
LIMIT = 50
WARM_UP, TURNS = 2, 15
IN_A_TURN = 10
CALLED_A_SECOND, CALLED_SECONDS = 200.0, 1.0
SAMPLE = 1_000
TARGET_BYTES = 1_500


class MediaFile:
    """An installation with so many jobs, and what was measured of it."""

    def __init__(self, installation: Installation, size: int) -> None:
        self.installation = installation
        self.size = size
        self.client = installation.client()
        self.parts = _services(_variables(installation))
        self.times: dict[str, list[float]] = {}
        empty = self.used()
        self._fill()
        self.bytes = (self.used() - empty) / size

    def used(self) -> int:
        with self.installation.redis.client() as redis:
            return int(redis.info("memory")["used_memory"])

    def _fill(self) -> None:
        urls = [(self.installation.redis.url, range(n, self.size, WRITERS)) for n in range(WRITERS)]
        with get_context("spawn").Pool(WRITERS) as writers:
            writers.starmap(_write, urls)

    def bytes_of_record(self) -> float:
        """What Redis says that one takes, key and all, in the mean of some."""
        numbers = range(0, self.size, max(1, self.size // SAMPLE))
        keys = [RECORD_PREFIX + shelves.place(n).id for n in numbers]
        with self.installation.redis.client() as redis:
            return sum(redis.memory_usage(key) or 0 for key in keys) / len(keys)

    def turn(self) -> None:
        """Each of the steps, some times."""
        callbacks = self.installation.directory / "callbacks"
        load.write_callbacks(callbacks, WEBHOOK_SECRET, int(CALLED_A_SECOND * CALLED_SECONDS))
        called = pace.run(
            self.installation.url, callbacks, rate=CALLED_A_SECOND, seconds=CALLED_SECONDS
        )
        self._note("a callback is answered", called.p50)
        middle = format_cursor(shelves.place(self.size // 2))
        self._time(f"`GET /api/jobs`, first page of {LIMIT}", lambda: _page(self.client))
        self._time("the same by a cursor, in the middle", lambda: _page(self.client, middle))
        known = shelves.place(self.size // 2).id
        self._time("`GET /api/jobs/<id>`", lambda: self.client.job(known))
        with ThreadPoolExecutor(1) as pool:
            waited = [_waited(self.client, pool) for _ in range(IN_A_TURN)]
        self._note("a job ends, and who waits is answered", median(waited))
        self._time("a step of the sweep, nothing due", lambda: sweep(self.parts))

    def _time(self, what: str, act: Callable[[], object]) -> None:
        self._note(what, median(_milliseconds(act) for _ in range(IN_A_TURN)))

    def _note(self, what: str, milliseconds: float) -> None:
        self.times.setdefault(what, []).append(milliseconds)


def main() -> None:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as name, ExitStack() as stack:
        kept = [stack.enter_context(_kept(Path(name) / str(size), size)) for size in INPUT_SIZES]
        for n in range(WARM_UP + TURNS):
            for one in kept:
                one.turn()
                if n < WARM_UP:
                    one.times.clear()
        print(_table(kept))
        most = kept[-1]
        print(f"\nRedis memory at {most.size:,} stored jobs: {most.bytes:,.0f} bytes each ", end="")
        print(
            f"({most.bytes / TARGET_BYTES:.2f} of the target of {TARGET_BYTES:,}), of which ",
            end="",
        )
        print(f"{most.bytes_of_record():,.0f} are the record")


@contextmanager
def _kept(directory: Path, size: int) -> Iterator[MediaFile]:
    directory.mkdir()
    redis = RedisServer(directory / "redis")
    installation = Installation(directory, redis, LOG_LEVEL="WARNING", WEB_CONCURRENCY="1")
    try:
        installation.start("web")
        installation.wait_until_ready()
        yield MediaFile(installation, size)
    finally:
        installation.close()
        redis.kill()


def _write(url: str, numbers: range) -> None:
    with Redis.from_url(url) as redis:
        stock.put_in(redis, map(shelves.stored, numbers))


def _services(variables: dict[str, str]) -> Services:
    return services.for_background(settings.load(variables))


def _variables(installation: Installation) -> dict[str, str]:
    return {name: value for name, value in installation.settings.items() if value is not None}


def _page(client: Client, after: str | None = None) -> None:
    """The whole page must come."""
    found = client.jobs(limit=LIMIT, cursor=after)
    assert len(found) == LIMIT, len(found)


def _waited(client: Client, pool: ThreadPoolExecutor) -> float:
    """Milliseconds from the callback that ends a job to the answer about it."""
    name = secrets.token_hex(16)
    client.put_job(name).raise_for_status()
    answer = pool.submit(client.get, f"/api/jobs/{name}?wait=30")
    time.sleep(0.05)  # it waits by now

    def end() -> None:
        client.callback({"id": name, "status": "Error"}).raise_for_status()
        answer.result()

    return _milliseconds(end)


def _milliseconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


def _table(kept: list[MediaFile]) -> str:
    few, *more = kept
    sizes = " | ".join(f"{one.size:,} jobs" for one in kept)
    ratios = " | ".join(f"{one.size:,} to {few.size:,}" for one in more)
    rows = [f"| one at a time, p50 in ms | {sizes} | {ratios} |", "|---" * (2 * len(kept)) + "|"]
    for what in few.times:
        found = [median(one.times[what]) for one in kept]
        shown = [f"{one:.2f}" for one in (*found, *(one / found[0] for one in found[1:]))]
        rows.append(f"| {what} | " + " | ".join(shown) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
