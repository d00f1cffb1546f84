"""Rows of archived jobs by the million: a record's text with other values in it, past the archive.

The n-th of `size` jobs has what `features` says. Indexes are made after the rows.
"""

import sqlite3
import zlib
from bisect import bisect
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import psycopg

from jobs.archive import row_numbers, rows, schema
from jobs.domain.job_record import Request
from jobs.domain.status import Status
from jobs.store import codec
from tests.bench import stored_jobs

VERSION = 7
USERS, LARGE_USER = 5000, "00000"  # the large one has 30 % of all jobs
OLD_MODEL, RARE_MODEL, RARE_KEY = "flux-1-dev", "flux-3-video", "rare"
COMMON_WORD, RARE_WORD, OLD_WORD = "lighthouse", "zeppelin", "harvest"
VOCABULARY, WORDS = 20_000, 30
FIRST_SEED = 10**9
_BATCH = 1000
_SYLLABLES = [a + b for a in "bcdfghklmnprstvw" for b in "aeiou"]


class Features(NamedTuple):
    """Words and facets by which jobs are found."""

    status: str
    model: str
    key: str
    user: str
    prompt: str


def features(n: int, size: int) -> Features:
    random = Random(n)
    chance, age = random.random(), 1 - n / size
    status = "lost" if n % 1000 == 1 else "moderated" if chance < 0.03 else "stored"
    model = OLD_MODEL if age > 0.9 else RARE_MODEL if n % 1000 == 2 else "flux-2-pro"
    key = RARE_KEY if n % 1000 == 3 else "batch" if chance < 0.4 else "app"
    user = LARGE_USER if random.random() < 0.3 else f"{random.randrange(1, USERS):05}"
    prompt = [COMMON_WORD, *(word_of(random) for _ in range(WORDS))]
    if n % (size // 10) == 5:
        prompt.append(RARE_WORD)
    if 0.6 < age < 0.65 and chance < 0.3:
        prompt.append(OLD_WORD)
    return Features(status, model, key, user, " ".join(prompt))


def word_of(random: Random) -> str:
    """Some words are in every second prompt, most of them in a few."""
    words, weights = vocabulary()
    return words[bisect(weights, random.random() * weights[-1])]


@cache
def vocabulary() -> tuple[list[str], list[float]]:
    """Words, and the weights of each with all before it."""
    random = Random(0)
    words = ["".join(random.choices(_SYLLABLES, k=4)) for _ in range(VOCABULARY)]
    return words, list(accumulate(1 / (n + 10) for n in range(VOCABULARY)))


class Template:
    """A stored job whose record holds a mark for each value that differs."""

    def __init__(self) -> None:
        job = stored_jobs.stored(0)
        at = job.created_at
        marked = job.evolve(
            id="@id@",
            task_id="@task@",
            status=Status.STORED,
            model="@model@",
            created_at=at + 0.5,
            metadata={**job.metadata, "user": "@user@", "order": "@order@"},
            result={**job.result, "prompt": "@prompt@"},
            request=Request(key="@key@"),
        )
        _, _, body = codec.encode(marked, VERSION).partition(b" 2 ")
        self._body = zlib.decompress(body).decode().replace(job.id, "@id@")
        self._body = self._body.replace(str(at + 0.5), "@at@").replace('"stored"', '"@status@"', 1)
        self._body = self._body.replace(f'"seed":{job.result["seed"]}', '"seed":@seed@')
        self._cost = job.cost

    def row(self, n: int, size: int) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
        """The values of its columns, and its facets."""
        at, job_id = stored_jobs.position(n)
        task_id = job_id[::-1].replace("-", "x")
        has, order, seed = features(n, size), str(n), FIRST_SEED + n
        body = self._body
        for name, value in (
            ("id", job_id),
            ("task", task_id),
            ("at", str(at)),
            ("order", order),
            ("seed", str(seed)),
            *has._asdict().items(),
        ):
            body = body.replace(f"@{name}@", value)
        record = b"%d 2 %b" % (VERSION, zlib.compress(body.encode()))
        metadata = f'{{"user":"{has.user}","order":"{order}","ok":true}}'
        ended = at + stored_jobs.LIFE_SECONDS
        row = (
            *(job_id, task_id, has.status, has.model, has.key, "callback", None, at, ended),
            *(self._cost, seed, 1, has.prompt, metadata, VERSION, ended, record),
        )
        pairs = (("user", has.user), ("order", order), ("ok", "true"))
        found = [("metadata", "=".join(pair)) for pair in pairs]
        found += [("seed", str(seed)), ("sha256", job_id)]
        facets = [rows.facet(*one) for one in found]
        return row, [(facet, at, job_id) for facet in facets]


def fill_sqlite(path: Path, size: int) -> None:
    with sqlite3.connect(path, isolation_level=None) as opened:
        opened.execute("PRAGMA journal_mode = WAL")
        opened.execute("PRAGMA synchronous = OFF")
        opened.execute("PRAGMA cache_size = -400000")
        finish = _create(opened.execute, schema.SQLITE_TYPES, "number INTEGER PRIMARY KEY,", True)
        names = ", ".join(("number", *rows.COLUMNS))
        into = f"INSERT INTO jobs ({names}) VALUES ({', '.join('?' * (len(rows.COLUMNS) + 1))})"  # noqa: S608
        for batch in _batches(size):
            opened.execute("BEGIN")
            numbered = (
                (row_numbers.preferred_number(job_id=row[0], created_at=row[7]), *row)
                for row, _ in batch
            )
            opened.executemany(into, numbered)
            facets = [facet for _, found in batch for facet in found]
            opened.executemany("INSERT INTO facets VALUES (?, ?, ?)", facets)
            opened.execute("COMMIT")
        finish()
        opened.execute("INSERT INTO jobs_words (jobs_words) VALUES ('rebuild')")
    opened.close()


def fill_postgres(url: str, size: int) -> None:
    with psycopg.connect(url, autocommit=True) as opened:
        opened.execute("SET maintenance_work_mem = '256MB'")
        finish = _create(opened.execute, schema.POSTGRES_TYPES, "", False)
        for batch in _batches(size):
            with opened.cursor() as cursor:
                names = ", ".join(rows.COLUMNS)
                with cursor.copy(f"COPY jobs ({names}) FROM STDIN".encode()) as copy:
                    for row, _ in batch:
                        copy.write_row(row)
                with cursor.copy("COPY facets FROM STDIN") as copy:
                    for facet in (facet for _, found in batch for facet in found):
                        copy.write_row(facet)
        finish()
        opened.execute("VACUUM ANALYZE")


def _create(
    execute: Callable[[Any], Any], types: dict[str, str], row_number: str, is_sqlite: bool
) -> Callable[[], None]:
    """Create the tables; the rest of the schema by what is returned."""
    later: list[str] = []

    def run(text: str) -> None:
        if text.startswith("CREATE TABLE"):
            execute(text)
        else:
            later.append(text)

    words = schema.SQLITE_WORDS if is_sqlite else schema.POSTGRES_WORDS
    schema.migrate(run, 0, types | {"row_number": row_number}, words)

    def finish() -> None:
        for text in later:
            execute(text)

    return finish


def _batches(size: int) -> Iterator[list[tuple[tuple[Any, ...], list[tuple[Any, ...]]]]]:
    template = Template()
    for first in range(0, size, _BATCH):
        yield [template.row(n, size) for n in range(first, min(first + _BATCH, size))]
