"""A PostgreSQL database, also behind PgBouncer in transaction mode: no state of a session."""

import json
import os
import re
import socket
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

from jobs.archive import postgres_errors, schema
from jobs.archive.database import (
    QUERY_SECONDS,
    Caller,
    Database,
    MetadataEntry,
    Parameters,
    Work,
    nobody,
)
from jobs.net.watchdog import Exchange
from jobs.store.search_conditions import as_text

CONNECT_SECONDS = 2
SILENCE_MILLISECONDS = 5000
EXCHANGE_EXTRA_SECONDS = 1.0  # a server that hangs does not cut its queries itself
MIGRATION_LOCK = 0x666C7578  # "flux": one process changes the tables
_ENCODING = (
    "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
)
_VIEW_FOR_PEOPLE = """
    CREATE OR REPLACE VIEW jobs_for_people AS
    SELECT
      id,
      task_id,
      status,
      model,
      key,
      to_timestamp(created_at) AS created_at,
      to_timestamp(ended_at) AS ended_at,
      cost,
      seed,
      words,
      metadata
    FROM jobs
"""
_NAMED_PARAMETER = re.compile(r"(?<!:):([a-z_][a-z_0-9]*)")  # two colons are a cast
_TYPES = schema.POSTGRES_TYPES | {"row_number": ""}

T = TypeVar("T")


class _Connection(NamedTuple):
    postgres: Any  # psycopg is imported only when it is needed
    socket: socket.socket  # a duplicate: closing it ends the wait for a silent server
    version: int  # of the tables


def _entry_value(_kind: str, json_text: str | None) -> str | None:
    """The search text of a value that `->` gives as JSON; None where there is no entry."""
    if json_text is None:
        return None
    return as_text(json.loads(json_text))


class PostgresDatabase(Database):
    """A server of PostgreSQL as a database. Its first connection loads psycopg."""

    name = "PostgreSQL"
    has_row_numbers = False
    metadata_entry = MetadataEntry(
        join="""
            CROSS JOIN LATERAL (
              SELECT '' AS type, (jobs.metadata::json -> :entry_name::text)::text AS atom
            ) AS entry
        """,
        day="floor(created_at / 86400)",
        read=_entry_value,
    )
    size_sql = "SELECT pg_database_size(current_database())"

    def __init__(
        self,
        url: str,
        connections: int,
        caller: Caller = nobody,
        query_seconds: float = QUERY_SECONDS,
    ) -> None:
        super().__init__(connections, caller, query_seconds)
        self._url = url
        self._exchange_seconds = query_seconds + EXCHANGE_EXTRA_SECONDS
        self._limits = _limit(query_seconds)

    def encoding(self) -> str:
        ((encoding,),) = self.transact(lambda run: run(_ENCODING))
        return str(encoding)

    @cached_property
    def _psycopg(self) -> Any:
        return import_module("psycopg")

    def _open(self) -> _Connection:
        try:
            opened = self._psycopg.connect(
                self._url,
                connect_timeout=CONNECT_SECONDS,
                tcp_user_timeout=SILENCE_MILLISECONDS,
                prepare_threshold=None,
                application_name="fluxkeep",
                client_encoding="utf8",  # whatever the server's is
            )
        except (self._psycopg.Error, OSError, UnicodeError) as error:
            raise postgres_errors.meaning_while_connecting(error) from None
        duplicate: socket.socket | None = None
        try:
            duplicate = socket.socket(fileno=os.dup(opened.fileno()))
            with Exchange(self._exchange_seconds) as exchange:
                exchange.add(duplicate)
                return _Connection(opened, duplicate, _migrate(opened))
        except BaseException as error:  # whatever it is, nothing stays open
            if duplicate is not None:
                duplicate.close()
            opened.close()
            if isinstance(error, self._psycopg.Error | OSError):
                raise postgres_errors.meaning_while_connecting(error) from None
            raise

    def _run(self, connection: _Connection, work: Work[T], *, writes: bool) -> T:
        postgres = connection.postgres

        def execute(sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
            cursor = postgres.execute(_for_psycopg(sql), parameters)
            has_rows = sql.startswith(("SELECT", "WITH")) or "RETURNING" in sql
            if not has_rows:
                return []  # a write does not wait for its answer
            answer: list[tuple[Any, ...]] = cursor.fetchall()
            return answer

        try:
            with Exchange(self._exchange_seconds) as exchange:
                exchange.add(connection.socket)
                with postgres.pipeline():
                    postgres.execute(self._limits)  # on its way together with what comes next
                    answer = work(execute)
                postgres.commit()
        except (self._psycopg.Error, UnicodeError, OverflowError) as error:
            self._roll_back(postgres)
            is_closed = bool(postgres.closed)
            raise postgres_errors.meaning_in_transaction(
                error, is_closed=is_closed, writes=writes
            ) from None
        except BaseException:  # a killed greenlet, too, leaves no transaction open
            self._roll_back(postgres)
            raise
        return answer

    def _roll_back(self, postgres: Any) -> None:
        with suppress(self._psycopg.Error):
            postgres.rollback()

    def _close(self, connection: _Connection) -> None:
        connection.socket.close()
        connection.postgres.close()


def _for_psycopg(sql: str) -> str:
    """A statement with its parameters as psycopg writes them: `%s`, or `%(name)s`."""
    return _NAMED_PARAMETER.sub(r"%(\1)s", sql).replace("?", "%s")


def _limit(seconds: float) -> str:
    return f"SET LOCAL statement_timeout = {int(seconds * 1000)}"


def _migrate(opened: Any) -> int:
    """Bring the tables up to date; the version that they have."""
    with opened.transaction():
        # A role may have another limit.
        opened.execute(_limit(QUERY_SECONDS))
        version = _version(opened)
        if version >= schema.VERSION:
            return version
        opened.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        version = _version(opened)  # another process may have been first
        schema.migrate(opened.execute, version, _TYPES, schema.POSTGRES_WORDS)
        opened.execute(_VIEW_FOR_PEOPLE)
    return schema.VERSION


def _version(opened: Any) -> int:
    """The version of the tables; 0 without tables."""
    # Not by `to_regclass`, which goes by what this connection knew before it waited for the lock.
    sql = "SELECT count(*) FROM pg_class WHERE relname = 'state' AND pg_table_is_visible(oid)"
    (tables,) = opened.execute(sql).fetchone()
    if not tables:
        return 0
    (version,) = opened.execute("SELECT value FROM state WHERE name = 'schema'").fetchone()
    return int(version)
