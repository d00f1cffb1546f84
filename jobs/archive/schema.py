"""Tables of the archive, in the words that SQLite and PostgreSQL share, and their migration.

A row is for years: columns are only added, and all but `record` may be derived again.
"""

from collections.abc import Callable, Sequence
from typing import Any

VERSION = 1
# Types that have other names in each. Ids are ordered by their bytes, as Redis orders them.
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
        words {id} NOT NULL,
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
# `words` are folded: to both databases, everything that is no space is part of a word.
POSTGRES_WORDS = ("CREATE INDEX jobs_by_words ON jobs USING gin (string_to_array(words, ' '))",)
_REMOVE_WORDS = (
    "INSERT INTO jobs_words (jobs_words, rowid, words) VALUES ('delete', old.number, old.words)"
)
_ADD_WORDS = "INSERT INTO jobs_words (rowid, words) VALUES (new.number, new.words)"
_WORDS_TABLE = """CREATE VIRTUAL TABLE jobs_words USING fts5 (
    words, content = 'jobs', content_rowid = 'number', tokenize = 'ascii', detail = none,
    columnsize = 0
)"""
_AFTER_CHANGE = "AFTER UPDATE OF words ON jobs WHEN old.words <> new.words"
SQLITE_WORDS = (
    _WORDS_TABLE,
    f"CREATE TRIGGER words_are_new AFTER INSERT ON jobs BEGIN {_ADD_WORDS}; END",
    f"CREATE TRIGGER words_are_gone AFTER DELETE ON jobs BEGIN {_REMOVE_WORDS}; END",
    f"CREATE TRIGGER words_are_others {_AFTER_CHANGE} BEGIN {_REMOVE_WORDS}; {_ADD_WORDS}; END",
)


def migrate(
    execute: Callable[[str], Any], version: int, types: dict[str, str], words: Sequence[str]
) -> None:
    """Bring the tables from a version (0: there are none) to the present one."""
    if version < 1:
        for text in _TABLES:
            execute(text.format(**types))
        for text in words:
            execute(text)
    execute("DELETE FROM state WHERE name = 'schema'")
    execute(f"INSERT INTO state (name, value) VALUES ('schema', {VERSION})")
