"""The archive of a simulated run: real SQLite in memory, with outages, backups and lost answers."""

import sqlite3
import weakref
from pathlib import Path
from typing import Any, NamedTuple

from jobs.archive import schema
from jobs.archive import sqlite as embedded
from jobs.archive.database import Work
from jobs.archive.sqlite import SqliteDatabase
from jobs.domain.job import Job
from tests.simulation import checks
from tests.simulation.boundaries import decode

NO_FILE = Path("/").stat()  # the database is in memory
_SELECT = "SELECT id, version, status, archived_at, record FROM jobs"


class RawRow(NamedTuple):
    """A row as the checks read it, past the code under test."""

    version: int
    status: str
    archived_at: float
    job: Job


class ArchiveModel:
    """The one database that all processes of a run share."""

    def __init__(self, world: Any, flaw: tuple[str, str] = ("", "")) -> None:
        self.sqlite = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self.sqlite.close)  # worlds are cycles, which the collector ends
        embedded._migrate(self.sqlite)  # noqa: SLF001 - as each connection does
        self.writes = 0  # transactions and restores: the rows may have changed
        self._read_at, self._rows = -1, dict[str, RawRow]()
        self._world, self._flaw = world, flaw

    def rows(self) -> dict[str, RawRow]:
        """All rows by id."""
        if self._read_at != self.writes:
            found = self.sqlite.execute(_SELECT).fetchall()
            self._rows = {
                name: RawRow(version, status, at, decode(record))
                for name, version, status, at, record in found
            }
            self._read_at = self.writes
        return self._rows

    def backup(self) -> bytes:
        return self.sqlite.serialize()

    def restore(self, backup: bytes) -> None:
        """Replace the file by a backup."""
        self.sqlite.deserialize(backup)
        self.writes += 1

    def empty(self) -> None:
        """Lose the file: the next connection makes the tables anew."""
        for name in ("jobs", "facets", "deletion_notes", "state"):  # a trigger empties the words
            self.sqlite.execute(f"DELETE FROM {name}")  # noqa: S608 - a name of the schema
        self.sqlite.execute(f"INSERT INTO state VALUES ('schema', {schema.VERSION})")  # noqa: S608
        self.writes += 1

    def flawed(self, sql: str) -> str:
        """SQL without a protection that is taken out on purpose."""
        old, new = self._flaw
        return sql.replace(old, new) if old else sql


class SimulatedDatabase(SqliteDatabase):
    """The connection of one process, with a step before and after each transaction."""

    def __init__(self, world: Any) -> None:
        super().__init__("archive.db", 1, lambda call: call())
        self._world, self._model = world, world.archive

    def _open(self) -> Any:
        self._world.database_step("connect")
        return embedded._Connection(self._model.sqlite, NO_FILE, schema.VERSION)  # noqa: SLF001

    def _run(self, connection: Any, work: Work[Any], *, writes: bool) -> Any:
        kind = "write" if writes else "read"
        self._world.database_step(kind)

        def flawed(run: Any) -> Any:
            return work(lambda sql, parameters=(): run(self._model.flawed(sql), parameters))

        answer = self._run_here(connection, flawed, writes)
        if writes:
            self._model.writes += 1
            checks.check_rows(self._world)
        self._world.database_step(f"{kind} is done")
        return answer

    def _require_same_file(self, connection: Any) -> None:
        """A backup replaces the content, not the connection."""

    def _close(self, connection: Any) -> None:
        """The other processes use it too."""
