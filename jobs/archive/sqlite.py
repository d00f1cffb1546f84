"""An SQLite database in a file that web and sweep share.

Calls of SQLite block, so `in_thread` runs them.
"""

import os
import re
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

from jobs.archive import schema
from jobs.archive.database import (
    QUERY_SECONDS,
    WAIT_SECONDS,
    BadRow,
    Caller,
    ConnectionLost,
    Database,
    MetadataEntry,
    Parameters,
    QueryRefused,
    QueryTooLong,
    Runner,
    Work,
    WritesRefused,
    nobody,
)
from jobs.archive.file_damage import DAMAGED, FileWatch
from jobs.domain.errors import ArchiveUnavailable
from jobs.store.search_conditions import as_text

CHECK_SECONDS = 120.0  # for a whole file; a file that takes longer counts as intact
STEPS = 10_000  # instructions of SQLite's machine between two looks at the time

_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
    "PRAGMA cache_size = -500",  # KiB for each connection: the kernel has the pages, too
    f"PRAGMA busy_timeout = {int(QUERY_SECONDS * 1000)}",
)
# Codes of errors, and what they are about.
_TAKES_TOO_LONG = {sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NO_WRITES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}
_NO_WRITES_OR_LOST = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_BAD_VALUES = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_RANGE,
}
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# The tables are not those that the connection has seen: another file is in their place.
_OTHER_TABLES = re.compile("no such (table|column)")
# Rows of SQLite's tables begin with a number that follows the time, so that a search by words
# finds the newest rows first.
_TYPES = schema.SQLITE_TYPES | {"row_number": "number INTEGER PRIMARY KEY,"}

T = TypeVar("T")


class _Connection:
    """A connection, the file that it has open, and the version of the tables in it."""

    def __init__(self, opened: sqlite3.Connection, file: os.stat_result, version: int) -> None:
        self.sqlite = opened
        self.version = version
        self._identity = (file.st_dev, file.st_ino)
        self._size = file.st_size

    def has_open(self, file: os.stat_result) -> bool:
        """Whether a file is the one that this connection has open, by the facts of its path.

        Fluxkeep never makes the file smaller: a smaller one has been put in its place.
        """
        is_same_inode = (file.st_dev, file.st_ino) == self._identity
        if not is_same_inode or file.st_size < self._size:
            return False
        self._size = file.st_size
        return True


def _entry_value(kind: str | None, atom: Any) -> str | None:
    """The search text of a value that `json_each` gives: booleans and null by their type."""
    if kind in ("true", "false", "null"):
        return kind
    if atom is None:
        return None
    return as_text(atom)


class SqliteDatabase(Database):
    """A file of SQLite as a database."""

    name = "SQLite"
    has_row_numbers = True
    metadata_entry = MetadataEntry(
        join="LEFT JOIN json_each(jobs.metadata) AS entry ON entry.key = :entry_name",
        day="CAST(created_at / 86400 AS integer)",
        read=_entry_value,
    )
    size_sql = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"

    def __init__(
        self,
        path: str,
        connections: int,
        in_thread: Runner,
        caller: Caller = nobody,
        query_seconds: float = QUERY_SECONDS,
    ) -> None:
        super().__init__(connections, caller, query_seconds)
        self._path = Path(path).absolute()
        self._in_thread = in_thread
        self._watch = FileWatch(self._path, _is_intact)

    def check_file(self) -> bool:
        is_intact: bool = self._in_thread(lambda: self._watch.check_if_changed(self.close))
        return is_intact

    @property
    def is_damaged(self) -> bool:
        is_marked = self._watch.is_marked()
        if is_marked:
            self.close()  # nobody may have the file open while it is restored
        return is_marked

    def encoding(self) -> str:
        return "UTF8"  # SQLite makes each file so, unless it is told otherwise

    def erase_log(self) -> bool:
        """Move the log into the file, where deleted rows are overwritten, and truncate it."""
        try:
            place = self._take_place(time.monotonic() + WAIT_SECONDS)
        except ArchiveUnavailable:
            return False
        try:
            if place.connection is None:
                place.connection = self._open()
            return bool(self._in_thread(lambda: _truncate_log(place.connection.sqlite)))
        except (ConnectionLost, sqlite3.Error):
            self._drop_connection(place)
            return False
        finally:
            self._pool.give_back(place)

    def _open(self) -> _Connection:
        return self._in_thread(self._connect)  # type: ignore[no-any-return]

    def _connect(self) -> _Connection:
        if self._watch.is_marked():
            raise ConnectionLost(DAMAGED)
        try:
            self._create_file()
            return self._open_file()
        except sqlite3.Error as error:
            if _means_damage(error) or self._lost_its_log(error):
                self._watch.mark()
                raise ConnectionLost(DAMAGED) from None
            raise ConnectionLost(_name(error)) from None
        except OSError as error:
            raise ConnectionLost(error.strerror or "OSError") from None

    def _create_file(self) -> None:
        """Create the file for this user alone, if there is none.

        A file that exists is not opened here: to close it again would drop the locks of SQLite's
        connections in this process, and their log with them.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL, 0o600))

    def _open_file(self) -> _Connection:
        opened = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=0
        )
        try:
            for setting in _SETTINGS:
                opened.execute(setting)
            version = _migrate(opened)
            return _Connection(opened, self._path.stat(), version)
        except BaseException:  # whatever it is, the file stays open otherwise
            opened.close()
            raise

    def _lost_its_log(self, error: sqlite3.Error) -> bool:
        """Whether a file without a log replaces a file that other processes have open.

        Each file that Fluxkeep makes has a log from its beginning. To give a log to a file without
        one, a connection needs the file for itself: SQLITE_BUSY then means that the log was lost.
        """
        is_busy = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY
        return is_busy and self._path.stat().st_size > 0

    def _run(self, connection: _Connection, work: Work[T], *, writes: bool) -> T:
        return self._in_thread(lambda: self._run_here(connection, work, writes))  # type: ignore[no-any-return]

    def _run_here(self, connection: _Connection, work: Work[T], writes: bool) -> T:
        sqlite = connection.sqlite
        ends_at = time.monotonic() + self._query_seconds
        sqlite.set_progress_handler(lambda: time.monotonic() > ends_at, STEPS)

        def execute(sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
            return sqlite.execute(sql, parameters).fetchall()

        try:
            self._require_same_file(connection)
            begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
            sqlite.execute(begin)
            answer = work(execute)
            sqlite.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(sqlite)
            if _means_damage(error):
                self._watch.mark()
            raise _meaning_in_transaction(error, writes=writes) from None
        except OSError as error:
            raise ConnectionLost(error.strerror or "OSError") from None
        except (OverflowError, UnicodeError) as error:
            _roll_back(sqlite)
            raise _refusal(type(error).__name__, writes=writes) from None
        except BaseException:  # whatever `work` raises, no transaction stays open
            _roll_back(sqlite)
            raise
        return answer

    def _require_same_file(self, connection: _Connection) -> None:
        """Raises ConnectionLost where a backup has replaced the file, or it is damaged.

        A damaged file gives wrong answers, and nobody may have it open while it is restored.
        """
        if self._watch.is_marked():
            raise ConnectionLost(DAMAGED)
        if not connection.has_open(self._path.stat()):
            raise ConnectionLost("the file was replaced")

    def _close(self, connection: _Connection) -> None:
        with suppress(sqlite3.Error):
            connection.sqlite.close()


def _migrate(opened: sqlite3.Connection) -> int:
    """Bring the tables up to date; return their version."""
    version = _version(opened)
    if version >= schema.VERSION:
        return version
    opened.execute("BEGIN IMMEDIATE")
    try:
        version = _version(opened)  # another process may have been first
        schema.migrate(opened.execute, version, _TYPES, schema.SQLITE_WORDS)
        opened.execute("COMMIT")
    except BaseException:  # whatever it is, no transaction stays open
        _roll_back(opened)
        raise
    return schema.VERSION


def _truncate_log(opened: sqlite3.Connection) -> bool:
    """Move the log into the file; False while another connection reads it."""
    opened.set_progress_handler(None, 0)
    is_busy, _, _ = opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not is_busy


def _version(opened: sqlite3.Connection) -> int:
    """The version of the tables; 0 without tables. Raises ConnectionLost."""
    if not opened.execute("SELECT 1 FROM sqlite_master WHERE name = 'state'").fetchall():
        return 0
    row = opened.execute("SELECT value FROM state WHERE name = 'schema'").fetchone()
    if row is None:
        raise ConnectionLost(DAMAGED)
    return int(row[0])


def _roll_back(sqlite: sqlite3.Connection) -> None:
    sqlite.set_progress_handler(None, 0)
    with suppress(sqlite3.Error):
        sqlite.execute("ROLLBACK")


def _is_intact(path: Path) -> bool:
    """SQLite's own check of the structure of a file, and of its log."""
    ends_at = time.monotonic() + CHECK_SECONDS
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as opened:
            opened.set_progress_handler(lambda: time.monotonic() > ends_at, STEPS)
            findings = opened.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        return not _means_damage(error)
    return bool(findings == [("ok",)])


def _means_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is no database, or that its log is of another file."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_CORRUPT_VTAB:  # only the index of words: it concerns one query
        return False
    primary_code = code & 0xFF
    return primary_code in _DAMAGE


def _meaning_in_transaction(error: sqlite3.Error, *, writes: bool) -> Exception:
    """The error of `database` for an error of SQLite in a transaction."""
    name = _name(error)
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # Python refuses a parameter
        return _refusal(name, writes=writes)
    primary_code = code & 0xFF
    if primary_code in _TAKES_TOO_LONG:
        return QueryTooLong()
    if primary_code in _NO_WRITES or (writes and primary_code in _NO_WRITES_OR_LOST):
        return WritesRefused(name)
    if primary_code == sqlite3.SQLITE_ERROR and _OTHER_TABLES.match(str(error)):
        return ConnectionLost(name)
    if primary_code in _BAD_VALUES or code == sqlite3.SQLITE_CORRUPT_VTAB:
        return _refusal(name, writes=writes)
    return ConnectionLost(name)


def _refusal(name: str, *, writes: bool) -> Exception:
    """The error for a row or a query with a value that the database refuses."""
    if writes:
        return BadRow(name)
    return QueryRefused(name)


def _name(error: sqlite3.Error) -> str:
    """The name of an error, without its message, which may hold a path or a value."""
    return getattr(error, "sqlite_errorname", type(error).__name__)
