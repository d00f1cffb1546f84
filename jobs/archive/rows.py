"""Rows of ended jobs: the columns that are derived from a record."""

import json
import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from jobs import search_words
from jobs.domain.job import Job
from jobs.domain.job_record import Request
from jobs.domain.status import Source, Status
from jobs.store import codec
from jobs.store.search_conditions import as_text, seed_of

SEED_END = 2**63  # a column holds less

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

# Columns from which a row is read: its record, and what is shown if the record cannot be read.
_READ = (
    "record",
    "archived_at",
    "id",
    "task_id",
    "status",
    "model",
    "key",
    "source",
    "created_at",
    "ended_at",
    "cost",
    "metadata",
    "version",
)
READ_NAMES = ", ".join(_READ)
READ_COLUMNS = ", ".join(f"jobs.{name}" for name in _READ)

_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # in JSON: PostgreSQL's `->>` refuses it


class Row(NamedTuple):
    """A job of the archive, as its row has it."""

    job: Job
    archived_at: float
    is_complete: bool  # False: the record cannot be read, and the job has its columns alone


def values(job: Job, archived_at: float) -> tuple[Any, ...]:
    """The values of a job's columns, in the order of COLUMNS."""
    value_of_column = {
        "id": job.id,
        "task_id": job.task_id,
        "status": job.status.value,
        "model": clean(job.model),
        "key": clean(job.request.key),
        "source": _source_text(job),
        "repeats": job.request.repeats,
        "created_at": job.created_at,
        "ended_at": job.end,
        "cost": job.cost,
        "seed": _seed_in_range(job),
        "has_objects": _number_of_bool(bool(job.object_keys)),
        "words": search_words.words_of_job(job),
        "metadata": _metadata_json(job),
        "version": job.version,
        "archived_at": archived_at,
        "record": codec.encode(job, job.version),
    }
    return tuple([value_of_column[column] for column in COLUMNS])


def _source_text(job: Job) -> str | None:
    return None if job.source is None else job.source.value


def _seed_in_range(job: Job) -> int | None:
    """The seed, unless it is too large for a column; its facet is a hash of any seed."""
    seed = seed_of(job)
    if seed is None:
        return None
    fits = seed >= -SEED_END and seed < SEED_END
    return seed if fits else None


def _number_of_bool(is_true: bool) -> int:
    """Booleans are numbers in both databases."""
    return 1 if is_true else 0


def _metadata_json(job: Job) -> str | None:
    text = json.dumps(dict(job.metadata), ensure_ascii=False)
    return clean(_ESCAPED_NUL.sub(r"\1", text))


def clean(text: str | None) -> str | None:
    """The text without what a text of PostgreSQL cannot hold: NUL, and half a surrogate pair."""
    if text is None:
        return None
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def facets(job: Job) -> Iterator[int]:
    """Hashes of what a job is found by, besides the columns. Its record is compared afterwards."""
    for name, value in job.metadata.items():
        text = as_text(value)
        if text is not None:
            yield facet("metadata", f"{name}={text}")
    if job.request.repeats:
        yield facet("repeats", job.request.repeats)
    seed = seed_of(job)
    if seed is not None:
        yield facet("seed", str(seed))
    for file in job.media:
        yield facet("sha256", file.sha256)


def facet(kind: str, text: str) -> int:
    return hash_of(f"{kind}\n{text}")


def hash_of(text: str) -> int:
    """64 bits, signed."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def read(database_row: tuple[Any, ...]) -> Row:
    """A job from the columns of READ_COLUMNS; without a readable record it has these alone."""
    columns = dict(zip(_READ, database_row, strict=True))
    archived_at = columns["archived_at"]
    job = codec.decode_if_readable(bytes(columns["record"]))
    if job is not None:
        return Row(job, archived_at, is_complete=True)
    return Row(_job_of_columns(columns), archived_at, is_complete=False)


def _job_of_columns(columns: dict[str, Any]) -> Job:
    source = columns["source"]
    return Job(
        id=columns["id"],
        task_id=columns["task_id"],
        status=Status(columns["status"]),
        model=columns["model"],
        source=Source(source) if source else None,
        created_at=columns["created_at"],
        updated_at=columns["ended_at"],
        deadline=columns["ended_at"],
        ended_at=columns["ended_at"],
        cost=columns["cost"],
        metadata=json.loads(columns["metadata"]),
        request=Request(key=columns["key"]),
        version=columns["version"],
    )
