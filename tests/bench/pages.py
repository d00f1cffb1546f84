"""Pages of the dashboard and of the API over many archived jobs, after a start and warm.

A web process over SQLite, then over PostgreSQL; the newest jobs are in Redis as well. `cold`: the
process is new, and the system has nothing of SQLite's file in memory.
`python -m tests.bench.pages 1000000` takes half an hour, most of it to fill the databases.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from jobs.archive.archive import SQLITE
from jobs.config import settings
from jobs.domain.retention import DAY_SECONDS
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.search_conditions import Search
from receiver.schemas.formats import format_cursor
from tests.bench import archived_jobs, stored_jobs
from tests.bench.environment import milliseconds
from tests.harness import Installation, PostgresServer, RedisServer, stock
from tests.harness.processes import cpu_seconds
from tests.harness.required_settings import SECRETS
from tests.harness.visitor import Visitor

SIZE = 100_000
HOT = 10_000  # the newest jobs, in Redis too
LIMIT = 50
COLD_ROUNDS, WARM_UP, ROUNDS = 5, 3, 40

Read = Callable[[], object]


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else SIZE
    with TemporaryDirectory(prefix="fluxkeep-bench-") as name:
        path = Path(name) / "archive.db"
        archived_jobs.fill_sqlite(path, size)
        measure(Path(name) / "1", f"{SQLITE}{path}", size)
        with PostgresServer() as server:
            archived_jobs.fill_postgres(server.url(), size)
            measure(Path(name) / "2", server.url(), size)


def measure(directory: Path, url: str, size: int) -> None:
    """Print the table over a database that is filled."""
    directory.mkdir()
    given = {"DATABASE_URL": url, "LOG_LEVEL": "WARNING"}
    with (
        RedisServer(directory / "redis") as redis,
        Installation(directory, redis, **given) as installation,
    ):
        _fill(redis, given | {"MEDIA_URL": (directory / "media").as_uri()}, size)
        cold = _cold(installation, url, size)
        installation.start("web")
        warm = _Warm(installation, size)
        kind = url.partition(":")[0]
        print(f"| {kind}, {size:,} jobs, {HOT:,} in Redis | cold | p50 | p95 | CPU of web, ms |")
        print("|---|---|---|---|---|")
        for what in _reads(installation, size, Random(1)):
            times, cpu = warm.measured(what)
            print(
                f"| {what} | {max(cold[what]):.0f} | {median(times):.1f} "
                f"| {quantiles(times, n=20)[-1]:.1f} | {cpu:.1f} |",
                flush=True,
            )


def _fill(redis: RedisServer, given: dict[str, str], size: int) -> None:
    """Records as they are after their rows, which the sweep looks at again in two days."""
    with redis.client() as client:
        services = Services(settings.load({**SECRETS, **given}), client)
        assert services.archive
        hot = [row.job for row in services.archive.page(Search(), HOT, None)]
        services.archive.close()
        stock.put_in(client, hot)
        due = time.time() + 2 * DAY_SECONDS
        services.archiving.schedule.add([job.id for job in hot], due, only_new=True)
        newest = stored_jobs.position(size - HOT - 1).created_at
        services.archiving.counts.replace({Status.STORED: size - HOT}, newest, 0.0)


def _cold(installation: Installation, url: str, size: int) -> dict[str, list[float]]:
    """Milliseconds of the first of each, in the order of a visit."""
    found: dict[str, list[float]] = {}
    for n in range(COLD_ROUNDS):
        if url.startswith(SQLITE):
            with Path(url.removeprefix(SQLITE)).open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        installation.start("web")
        for what, read in _reads(installation, size, Random(n)).items():
            found.setdefault(what, []).append(milliseconds(read))
        installation.stop()
    return found


class _Warm:
    """Milliseconds of each page, and the processor time of the web process."""

    def __init__(self, installation: Installation, size: int) -> None:
        self._reads = _reads(installation, size, Random(2))
        (web,) = installation.web
        self._pids = [web.pid, *web.offspring()]

    def measured(self, what: str) -> tuple[list[float], float]:
        read = self._reads[what]
        for _ in range(WARM_UP):
            read()
        before = sum(map(cpu_seconds, self._pids))
        times = [milliseconds(read) for _ in range(ROUNDS)]
        return times, (sum(map(cpu_seconds, self._pids)) - before) * 1000 / ROUNDS


def _reads(installation: Installation, size: int, random: Random) -> dict[str, Read]:
    visitor, client = Visitor(installation.url), installation.client()

    def a_job(first: int, count: int) -> str:
        return stored_jobs.position(first + random.randrange(count)).id

    def page(path: str, **query: str) -> None:
        visitor.get(path, **query).raise_for_status()

    def listed(**query: str) -> None:
        client.jobs(limit=LIMIT, **query)

    def anywhere() -> str:
        return format_cursor(stored_jobs.position(random.randrange(size)))

    words = archived_jobs.vocabulary()[0]
    return {
        "gallery": lambda: page("/"),
        "gallery, `stored`": lambda: page("/", status="stored"),
        "gallery, a word of old jobs": lambda: page("/", q=archived_jobs.OLD_WORD),
        "gallery, a word": lambda: page("/", q=random.choice(words[:200])),
        "gallery, a user": lambda: page("/", **{"metadata.user": "00042"}),
        "page of a job in Redis": lambda: page(f"/jobs/{a_job(size - HOT, HOT)}"),
        "page of an archived job": lambda: page(f"/jobs/{a_job(0, size - HOT)}"),
        "list of 50, the newest": listed,
        "list of 50, anywhere": lambda: listed(cursor=anywhere()),
        "list of 50, `lost`": lambda: listed(status="lost", cursor=anywhere()),
        "an archived job": lambda: client.job(a_job(0, size - HOT)),
    }


if __name__ == "__main__":
    main()
