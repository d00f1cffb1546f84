"""Rows of ended jobs: the columns that are derived from a record."""

import json
import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from jobs import search_words
from jobs.archive.database import BadRow, Transaction
from jobs.domain.job import Job
from jobs.domain.job_record import Request
from jobs.domain.status import Source, Status
from jobs.store import codec
from jobs.store.search_conditions import as_text, seed_of

SEED_MAX = 2**63
ROW_NUMBERS = 1024  # for jobs of one microsecond

COLUMNS = (
    "id",
    "task_id",
    "status",
    "model",
    "key",
    "source",
    "repeats",
    "created_at",
    "ended_at",
    "cost",
    "seed",
    "has_objects",
    "words",
    "metadata",
    "version",
    "archived_at",
    "record",
)

_NULS = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # of JSON, which PostgreSQL's `->>` refuses


class Row(NamedTuple):
    """A job of the archive, as its row has it."""

    job: Job
    archived_at: float
    is_complete: bool  # or its record cannot be read, and it is shown by its columns


def values(job: Job, archived_at: float) -> tuple[Any, ...]:
    """The values of a job's columns."""
    seed = seed_of(job)
    return (
        job.id,
        job.task_id,
        job.status.value,
        clean(job.model),
        clean(job.request.key),
        job.source and job.source.value,
        job.request.repeats,
        job.created_at,
        job.end,
        job.cost,
        seed if seed is not None and -SEED_MAX <= seed < SEED_MAX else None,
        int(bool(job.object_keys)),
        search_words.of_job(job),
        clean(_NULS.sub(r"\1", json.dumps(dict(job.metadata), ensure_ascii=False))),
        job.version,
        archived_at,
        codec.encode(job, job.version),
    )


def free_numbers(run: Transaction, jobs: Sequence[Job]) -> list[tuple[int]]:
    """Row numbers that follow the time, and that no other job has.

    Raises BadRow if a microsecond has no more.
    """
    taken, found = set[int](), list[tuple[int]]()
    for job in jobs:
        start, first = microsecond(job.created_at) * ROW_NUMBERS, hash_of(job.id) % ROW_NUMBERS
        sql = "SELECT number FROM jobs WHERE number >= ? AND number < ? AND id <> ?"
        taken |= {one for (one,) in run(sql, [start, start + ROW_NUMBERS, job.id])}
        wanted = (start + (first + n) % ROW_NUMBERS for n in range(ROW_NUMBERS))
        if (number := next((one for one in wanted if one not in taken), None)) is None:
            raise BadRow("all numbers are taken")
        taken.add(number)
        found.append((number,))
    return found


def microsecond(at: float) -> int:
    return int(at * 1e6)


def clean(text: str | None) -> str | None:
    """Without what a text of PostgreSQL cannot hold: NUL, and half a surrogate pair."""
    return text and text.replace("\0", "").encode("utf-8", "ignore").decode()


def facets(job: Job) -> Iterator[int]:
    """Hashes of what a job is found by, besides the columns. Its record is compared afterwards."""
    for name, value in job.metadata.items():
        if (text := as_text(value)) is not None:
            yield facet("metadata", f"{name}={text}")
    if job.request.repeats:
        yield facet("repeats", job.request.repeats)
    if (seed := seed_of(job)) is not None:
        yield facet("seed", str(seed))
    for file in job.media:
        yield facet("sha256", file.sha256)


def facet(kind: str, text: str) -> int:
    return hash_of(f"{kind}\n{text}")


def hash_of(text: str) -> int:
    """64 bits, signed."""
    found = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(found, "big", signed=True)


_READ = ("record", "archived_at", *COLUMNS[:12], "metadata", "version")
READ_NAMES = ", ".join(_READ)
READ_COLUMNS = ", ".join(f"jobs.{name}" for name in _READ)


def read(found: tuple[Any, ...]) -> Row:
    """A row; one whose record cannot be read is shown by its columns."""
    record, archived_at, *rest = found
    if job := codec.decode_if_readable(bytes(record)):
        return Row(job, archived_at, True)
    columns = dict(zip(_READ[2:], rest, strict=True))
    job = Job(
        id=columns["id"],
        task_id=columns["task_id"],
        status=Status(columns["status"]),
        model=columns["model"],
        source=columns["source"] and Source(columns["source"]),
        created_at=columns["created_at"],
        updated_at=columns["ended_at"],
        deadline=columns["ended_at"],
        ended_at=columns["ended_at"],
        cost=columns["cost"],
        metadata=json.loads(columns["metadata"]),
        request=Request(key=columns["key"]),
        version=columns["version"],
    )
    return Row(job, archived_at, False)
