"""Tables of the archive, in the words that SQLite and PostgreSQL share, and their migration.

A row is for years: columns are only added, and all but `record` may be derived again.
"""

from collections.abc import Callable
from typing import Any

VERSION = 1
# Names that differ: identifiers are ordered by their bytes, as Redis orders them.
SQLITE_TYPES = {"id": "text", "bytes": "blob", "float": "real", "number": "integer"}
POSTGRES_TYPES = {
    "id": 'text COLLATE "C"',
    "bytes": "bytea",
    "float": "double precision",
    "number": "bigint",
}

_TABLES = (
    """CREATE TABLE jobs (
        {row_number}
        id {id} NOT NULL UNIQUE,
        task_id {id},
        status text NOT NULL,
        model text,
        key text,
        source text,
        repeats {id},
        created_at {float} NOT NULL,
        ended_at {float} NOT NULL,
        cost {float},
        seed {number},
        has_objects {number} NOT NULL,
        words text NOT NULL,
        metadata text NOT NULL,
        version {number} NOT NULL,
        archived_at {float} NOT NULL,
        record {bytes} NOT NULL
    )""",
    "CREATE INDEX jobs_by_time ON jobs (created_at, id)",
    "CREATE INDEX jobs_by_status ON jobs (status, created_at, id)",
    "CREATE INDEX jobs_by_model ON jobs (model, created_at, id)",
    "CREATE INDEX jobs_by_key ON jobs (key, created_at, id)",
    "CREATE INDEX jobs_by_task ON jobs (task_id)",
    "CREATE INDEX jobs_by_end ON jobs (ended_at, id)",
    "CREATE INDEX jobs_with_objects ON jobs (ended_at, id) WHERE has_objects = 1",
    """CREATE TABLE facets (
        facet {number} NOT NULL,
        created_at {float} NOT NULL,
        id {id} NOT NULL,
        PRIMARY KEY (facet, created_at, id)
    )""",
    "CREATE INDEX facets_by_job ON facets (id)",
    # `deletions_until`: the microsecond up to which rows of deleted jobs are gone, on each day.
    "CREATE TABLE deletion_notes (day {number} NOT NULL PRIMARY KEY, until {float} NOT NULL)",
    "CREATE TABLE state (name text NOT NULL PRIMARY KEY, value {float} NOT NULL)",
)


def migrate(
    execute: Callable[[str], Any], version: int, types: dict[str, str], **more: str
) -> None:
    """Bring the tables from a version (0: there are none) to the present one."""
    if version < 1:
        for text in _TABLES:
            execute(text.format(**types, **more))
    execute("DELETE FROM state WHERE name = 'schema'")
    execute(f"INSERT INTO state (name, value) VALUES ('schema', {VERSION})")
