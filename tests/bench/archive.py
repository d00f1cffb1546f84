"""The archive on SQLite and on PostgreSQL: lists, single jobs, writes, memory.

Jobs are read as views read them: Redis, rows, Redis again. Redis alone is measured in turn.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import psycopg

from jobs.archive.archive import SQLITE
from jobs.config import settings
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.listing import Position
from jobs.store.search_conditions import Search
from tests.bench import archived_jobs, stored_jobs
from tests.bench.archived_jobs import (
    COMMON_WORD,
    LARGE_USER,
    OLD_MODEL,
    OLD_WORD,
    RARE_KEY,
    RARE_MODEL,
    RARE_WORD,
)
from tests.bench.environment import milliseconds
from tests.bench.memory import MB, proportional
from tests.harness import Installation, PostgresServer, RedisServer, stock
from tests.harness.archive_installation import Archived
from tests.harness.required_settings import SECRETS
from worker.periodic.archiving import BATCH, Archiving

SIZE = 30_000
HOT = 500  # jobs of Redis, newer than all others
LIMIT = 50
WARM_UP, ROUNDS = 5, 40
WRITTEN, RECALLED = 5_000, 200
REQUESTS = 100
EVICTS_AT_ONCE = {"HOT_DAYS": "0", "BFL_SANDBOX_URL": "http://127.0.0.1:9"}
REDIS_ALONE = "Redis alone"
_WORDS = archived_jobs.vocabulary()[0]  # the most frequent one, in a third of all prompts, first


def main() -> None:
    size = SIZE
    with TemporaryDirectory(prefix="fluxkeep-bench-") as name, ExitStack() as stack:
        urls = stack.enter_context(_databases(Path(name), size))
        measure(Path(name), urls, size)


def measure(directory: Path, urls: dict[str, str], size: int) -> None:
    """Print the tables of databases that are filled."""
    with ExitStack() as stack:
        found = []
        for kind, url in {REDIS_ALONE: "", **urls}.items():
            found.append(Population(directory / kind.replace(" ", "-"), kind, url, size))
            stack.callback(found[-1].close)
        _read_by_turns(found, size)
        kinds, title = [one.kind for one in found], f"{size:,} archived jobs, p50, p95 in ms"
        print(_table(title, kinds, [one.times for one in found]), flush=True)
        for one in found:
            one.measure_memory()
            one.measure_writes()
        print(f"\n{_table('writes and memory', kinds, [one.facts for one in found])}")


@contextmanager
def _databases(directory: Path, size: int) -> Iterator[dict[str, str]]:
    path = directory / "archive.db"
    archived_jobs.fill_sqlite(path, size)
    with PostgresServer() as server:
        archived_jobs.fill_postgres(server.url(), size)
        yield {"SQLite": f"sqlite:///{path}", "PostgreSQL": server.url()}


class Population:
    """An installation over one database, or none, with the newest jobs in Redis."""

    def __init__(self, directory: Path, kind: str, url: str, size: int) -> None:
        directory.mkdir()
        self.kind, self.url, self.size = kind, url, size
        self.redis = RedisServer(directory / "redis")
        self.installation = Installation(
            directory, self.redis, LOG_LEVEL="WARNING", DATABASE_URL=url or None
        )
        given = {**SECRETS, **EVICTS_AT_ONCE, "DATABASE_URL": url}
        given["MEDIA_URL"] = (directory / "media").as_uri()
        self.services = Services(settings.load(given), self.redis.client())
        self.times: dict[str, str] = {}
        self.facts: dict[str, str] = {}
        stock.put_in(self.redis.client(), (stored_jobs.stored(size + n) for n in range(HOT)))
        if url:
            newest = stored_jobs.position(size - 1).created_at
            self.services.archiving.counts.replace({Status.STORED: size}, newest, 0.0)

    def close(self) -> None:
        if self.services.archive:
            self.services.archive.close()
        self.installation.close()
        self.redis.kill()

    def measure_memory(self) -> None:
        """Of the processes, after requests that read all of their parts."""
        self.installation.start("web", "sweep")
        client = self.installation.client()
        for n in range(REQUESTS):
            client.jobs(limit=LIMIT, until=stored_jobs.position(n * self.size // REQUESTS)[0])
        for name in ("web", "sweep"):
            (process,) = self.installation.running[name]
            used = sum(map(proportional, (process.pid, *process.offspring())))
            self.facts[f"{name}, MB"] = f"{used / MB:.1f}"
        self.installation.stop()

    def measure_writes(self) -> None:
        if not self.services.archive:
            return
        archived, first = Archived(self.services), self.size + HOT
        archived.pass_over()  # so that no hot job is left beside those that are written
        before = self._memory()
        jobs = [stored_jobs.stored(first + n) for n in range(WRITTEN)]
        archived.put(*jobs)
        archived.sweep = Archiving(self.services, archived.archive)
        hot = self._memory()
        self.services.archiving.schedule.add([job.id for job in jobs], 0.0, only_new=False)
        writing, evicting = (
            milliseconds(lambda: pass_over(archived, WRITTEN)) / 1000 for _ in range(2)
        )
        assert not archived.hot(job.id for job in jobs)
        evicted = self._memory()
        recalls = [
            milliseconds(partial(archived.catalog.recall, job.id)) for job in jobs[:RECALLED]
        ]
        self.facts |= {
            "jobs archived a second": f"{WRITTEN / writing:,.0f}",
            "jobs evicted a second": f"{WRITTEN / evicting:,.0f}",
            "recall, p50, p95 in ms": _percentiles(recalls),
            "Redis, bytes a job": f"{(hot - before) / WRITTEN:,.0f}",
            "Redis, bytes an evicted job": f"{(evicted - before) / WRITTEN:,.0f}",
            "database, bytes a row": f"{self._database_bytes() / self.size:,.0f}",
        }

    def _memory(self) -> int:
        with self.redis.client() as redis:
            return int(redis.info("memory")["used_memory"])

    def _database_bytes(self) -> int:
        if self.url.startswith(SQLITE):
            return Path(self.url.removeprefix(SQLITE)).stat().st_size
        with psycopg.connect(self.url) as opened:
            ((found,),) = opened.execute("SELECT pg_database_size(current_database())").fetchall()
        return int(found)


def pass_over(archived: Archived, jobs: int) -> None:
    for _ in range(-(-jobs // BATCH)):
        archived.sweep.run_pass()


# Reads.


def _searches() -> dict[str, Search]:
    large, small = (("user", LARGE_USER),), (("user", "00042"),)
    two, six = f"{_WORDS[0]} {_WORDS[40]}", " ".join(_WORDS[:6])
    return {
        "anywhere": Search(),
        "status `stored`": Search(statuses=(Status.STORED,)),
        "status `lost`, 0.1 %": Search(statuses=(Status.LOST,)),
        "two statuses": Search(statuses=(Status.LOST, Status.MODERATED)),
        "model, 90 %": Search(model="flux-2-pro"),
        "an old model": Search(model=OLD_MODEL),
        "a rare model, 0.1 %": Search(model=RARE_MODEL),
        "key, 60 %": Search(key="app"),
        "a rare key, 0.1 %": Search(key=RARE_KEY),
        "a seed": Search(seed=archived_jobs.FIRST_SEED + 7),
        "a user, 0.01 %": Search(metadata=small),
        "a user, 30 %": Search(metadata=large),
        "a user, 30 %, `lost`": Search(metadata=large, statuses=(Status.LOST,)),
        "a user, 30 %, old model, `stored`": Search(
            metadata=large, model=OLD_MODEL, statuses=(Status.STORED,)
        ),
        "two words": Search(words=two),
        "two words in a row": Search(words=f'"{two}"'),
        "six words": Search(words=six),
        "a rare word": Search(words=RARE_WORD),
        "a word of all": Search(words=COMMON_WORD),
        "an old campaign's word": Search(words=OLD_WORD),
        "two words, a user, 30 %": Search(words=two, metadata=large),
        "two words, a user, 0.01 %": Search(words=two, metadata=small),
        "a rare word, a user, 30 %": Search(words=RARE_WORD, metadata=large),
        "a word of all, a user, 0.01 %": Search(words=COMMON_WORD, metadata=small),
        "a word of all, `lost`": Search(words=COMMON_WORD, statuses=(Status.LOST,)),
        "an old word, a user, 30 %": Search(words=OLD_WORD, metadata=large),
    }


def _read_by_turns(found: list["Population"], size: int) -> None:
    """The newest page of all; everything else of those with a database."""
    random = Random(1)
    times: dict[tuple[str, str], list[float]] = {}
    for n in range(-WARM_UP, ROUNDS):
        position = stored_jobs.position(random.randrange(size))
        for one in found:
            for what, read in _reads(one, position, size):
                taken = milliseconds(read)
                if n >= 0:
                    times.setdefault((one.kind, what), []).append(taken)
    for one in found:
        one.times = {
            what: _percentiles(taken) for (kind, what), taken in times.items() if kind == one.kind
        }


def _reads(
    one: "Population", position: Position, size: int
) -> Iterator[tuple[str, Callable[[], object]]]:
    page = one.services.catalog.page
    yield f"the newest {LIMIT}", partial(page, Search(), LIMIT, None)
    if one.services.archive:
        yield "by id", partial(one.services.catalog.load, position.id)
        yield "the first after Redis", partial(page, Search(), LIMIT, stored_jobs.position(size))
        for what, search in _searches().items():
            yield what, partial(page, search, LIMIT, position)


# Tables.


def _percentiles(taken: list[float]) -> str:
    return f"{median(taken):.1f}, {quantiles(taken, n=20)[-1]:.1f}"


def _table(title: str, kinds: list[str], columns: list[dict[str, str]]) -> str:
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(title, *kinds), ("---",) * (len(kinds) + 1)]
    rows += [(name, *(column.get(name, "") for column in columns)) for name in names]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
