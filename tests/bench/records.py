"""Many kept jobs: what each takes of Redis, and whether anything slows down as they add up."""

import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import NamedTuple

from jobs import services, settings
from jobs.keys import RECORDS
from jobs.services import Services
from receiver.cursors import cursor
from tests.bench import shelves
from tests.bench.memory import MB
from tests.harness import Client, Installation, RedisServer
from worker.sweep import sweep

FEW, MANY = 1_000, 100_000
WRITERS = 2
LIMIT = 50
TIMES, WARM_UP = 300, 30
SAMPLE = 1_000
TARGET_BYTES = 1_500


class Spread(NamedTuple):
    """Milliseconds."""

    p50: float
    p99: float


def main() -> None:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as directory:
        redis = RedisServer(Path(directory) / "redis")
        installation = Installation(Path(directory), redis, LOG_LEVEL="WARNING")
        try:
            _report(installation)
        finally:
            installation.close()
            redis.kill()


def _report(installation: Installation) -> None:
    installation.start("web")
    installation.wait_until_ready()
    empty = _used(installation)
    _fill(installation, range(FEW))
    few = _measured(installation, FEW)
    _fill(installation, range(FEW, MANY))
    size = (_used(installation) - empty) / MANY
    many = _measured(installation, MANY)
    print(_table(few, many))
    print(f"\nRedis memory: {size * MANY / MB:.0f} MB for {MANY:,} stored jobs, ", end="")
    print(f"{size:,.0f} bytes each ({size / TARGET_BYTES:.2f} of the target of {TARGET_BYTES:,}),")
    print(f"of which {_of_records(installation):,.0f} are the record alone")


def _fill(installation: Installation, numbers: range) -> None:
    parts = [(_variables(installation), numbers[n::WRITERS]) for n in range(WRITERS)]
    with get_context("spawn").Pool(WRITERS) as writers:
        writers.starmap(_write, parts)


def _write(variables: dict[str, str], numbers: range) -> None:
    shelves.fill(_services(variables), numbers)


def _services(variables: dict[str, str]) -> Services:
    return services.for_background(settings.load(variables))


def _variables(installation: Installation) -> dict[str, str]:
    return {name: value for name, value in installation.settings.items() if value is not None}


def _used(installation: Installation) -> int:
    with installation.redis.client() as redis:
        return int(redis.info("memory")["used_memory"])


def _of_records(installation: Installation) -> float:
    """What Redis says that one takes, key and all, in the mean of some."""
    keys = [RECORDS + shelves.place(n).id for n in range(0, MANY, MANY // SAMPLE)]
    with installation.redis.client() as redis:
        return sum(redis.memory_usage(key) or 0 for key in keys) / len(keys)


def _measured(installation: Installation, count: int) -> dict[str, Spread]:
    client, wired = installation.client(), _services(_variables(installation))
    middle = cursor(shelves.place(count // 2))
    return {
        f"`GET /api/jobs`, first page of {LIMIT}": _spread(lambda: _page(client)),
        "the same by a cursor, in the middle": _spread(lambda: _page(client, middle)),
        "`GET /api/jobs/<id>`": _spread(lambda: client.job(shelves.place(count // 2).id)),
        "a step of the sweep, nothing due": _spread(lambda: sweep(wired)),
    }


def _page(client: Client, after: str | None = None) -> None:
    """The whole page must come."""
    found = client.jobs(limit=LIMIT, cursor=after)
    assert len(found) == LIMIT, len(found)


def _spread(act: Callable[[], object]) -> Spread:
    times = [_milliseconds(act) for _ in range(WARM_UP + TIMES)][WARM_UP:]
    return Spread(median(times), quantiles(times, n=100)[-1])


def _milliseconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


def _table(few: dict[str, Spread], many: dict[str, Spread]) -> str:
    rows = [_row(name, few[name], many[name]) for name in few]
    head = f"| one at a time; p50, p99 in ms | {FEW:,} jobs | {MANY:,} jobs | ratio |"
    return "\n".join((head, "|---|---|---|---|", *rows))


def _row(name: str, few: Spread, many: Spread) -> str:
    return (
        f"| {name} | {few.p50:.1f}, {few.p99:.1f} | {many.p50:.1f}, {many.p99:.1f} "
        f"| {many.p50 / few.p50:.2f}, {many.p99 / few.p99:.2f} |"
    )
