"""A database: a few connections, one transaction for each call, and its outages.

An outage is a connection that is lost or cannot be made. What the database refuses for one row, or
one query, concerns that row or query alone.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from jobs.archive import schema
from jobs.archive.connection_pool import AllBusy, ConnectionPool, Place
from jobs.domain.errors import ArchiveUnavailable

QUERY_SECONDS = 5.0  # then a query is cut
RETRY_SECONDS = 5.0  # after an outage nobody connects for this long
WAIT_SECONDS = 2.0  # for a connection

T = TypeVar("T")
log = logging.getLogger(__name__)


class BadRow(Exception):
    """The database refuses what was to be written for its data: no outage."""


class QueryRefused(Exception):
    """The database refuses to answer a query for what it asks: no outage."""


class ForeignText(QueryRefused):
    """A query has characters that no text of this database can have: no row matches."""


class WritesRefused(Exception):
    """The database answers and takes no writes: its disk is full, or it may only be read."""


class QueryTooLong(Exception):
    """A query was cut after QUERY_SECONDS."""


class ConnectionLost(Exception):
    """The connection is of no use any more. The text has no host, no user and no password."""


class TooManyConnections(Exception):
    """The server opens no further connection; those that are open go on."""


Parameters = Sequence[Any] | Mapping[str, Any]


class Transaction(Protocol):
    """Runs SQL and returns the rows of the answer.

    Parameters are a sequence for SQL with `?`, or a mapping for SQL with `:name`. A mapping may
    have further names.
    """

    def __call__(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]: ...


Work = Callable[[Transaction], T]
Runner = Callable[[Callable[[], Any]], Any]  # runs a call that blocks
Caller = Callable[[], str | None]  # the name of the API key for which a process is at work


def nobody() -> None:
    """The caller in a process that serves no requests."""


class MetadataEntry(NamedTuple):
    """SQL for one entry of the jobs' metadata, whose name is the parameter `:entry_name`.

    `join` adds `entry.type` and `entry.atom`, of which `read` makes the value as search text.
    `day` is the number of a job's day since 1970.
    """

    join: str
    day: str
    read: Callable[[Any, Any], str | None]


class Database(ABC):
    """Connections are made when they are needed, and anew after an error.

    With row numbers each row has one, in the order of time.
    """

    name: str
    has_row_numbers: bool
    size_sql: str
    metadata_entry: MetadataEntry

    def __init__(
        self, connections: int, caller: Caller = nobody, query_seconds: float = QUERY_SECONDS
    ) -> None:
        self._query_seconds = query_seconds
        self._pool = ConnectionPool(connections, self._close)
        self._caller = caller
        self._retry_at = 0.0
        self._outage = ""  # why the database does not answer; empty while it does
        self._write_problem = ""  # why it takes no writes

    def transact(self, work: Work[T], *, writes: bool = False) -> T:
        """Run `work` in a transaction; again if the connection was lost while nobody used it.

        Raises BadRow where it writes and QueryRefused where it reads, and ArchiveUnavailable:
        nothing was written, or all of it if only the answer to the commit was lost.
        """
        try:
            return self.transact_in_time(work, writes=writes)
        except QueryTooLong:
            raise ArchiveUnavailable("database: a query took too long") from None

    def transact_in_time(self, work: Work[T], *, writes: bool = False) -> T:
        """As `transact`; raises QueryTooLong as well."""
        deadline = time.monotonic() + min(WAIT_SECONDS, self._query_seconds)
        while True:
            place = self._take_place(deadline)
            try:
                self._require_no_outage()  # another thread may have noticed one meanwhile
                return self._transact_at(place, work, writes=writes)
            except TooManyConnections:
                self._pool.pause_opening()
            finally:
                self._pool.give_back(place)

    def _take_place(self, deadline: float) -> Place:
        """Raises ArchiveUnavailable, also while the database is known to be away."""
        self._require_no_outage()
        try:
            return self._pool.take(self._caller(), deadline)
        except AllBusy:
            raise ArchiveUnavailable("database: all connections are busy") from None

    def _transact_at(self, place: Place, work: Work[T], *, writes: bool) -> T:
        try:
            answer = self._run_or_reconnect(place, work, writes=writes)
        except ConnectionLost as error:
            self._drop_connection(place)
            if not self._outage:
                log.warning("database: %s", error)
            self._outage = f"database: {error}"
            self._retry_at = time.monotonic() + RETRY_SECONDS
            raise ArchiveUnavailable(self._outage) from None
        except WritesRefused as error:
            if not self._write_problem:
                log.warning("database: %s", error)
            self._write_problem = f"database: {error}"
            raise ArchiveUnavailable(self._write_problem) from None
        self._note_answer(writes=writes)
        return answer

    def _note_answer(self, *, writes: bool) -> None:
        """Log the end of an outage; after a full disk that is the first write, not a read."""
        if writes:
            had_problem = bool(self._outage or self._write_problem)
            self._write_problem = ""
        else:
            had_problem = bool(self._outage)
        self._outage = ""
        if had_problem and not self._write_problem:
            log.info("the database answers again")

    def _run_or_reconnect(self, place: Place, work: Work[T], *, writes: bool) -> T:
        if place.connection is not None:
            try:
                return self._run_checked(place.connection, work, writes=writes)
            except ConnectionLost:
                self._drop_connection(place)
        place.connection = self._open()
        return self._run_checked(place.connection, work, writes=writes)

    def _drop_connection(self, place: Place) -> None:
        if place.connection is not None:
            self._close(place.connection)
            place.connection = None

    def _run_checked(self, connection: Any, work: Work[T], *, writes: bool) -> T:
        """An older release must not write to a newer schema."""
        if writes and connection.version > schema.VERSION:
            raise ArchiveUnavailable("database: its tables are of a newer release")
        return self._run(connection, work, writes=writes)

    def check_file(self) -> bool:
        """Check a database in a file that has changed; return whether it is intact."""
        return True

    @property
    def is_damaged(self) -> bool:
        """Whether some process has found that the file is damaged."""
        return False

    def erase_log(self) -> bool:
        """Remove what logs of a file still have of deleted rows; False while somebody reads them.

        A server does so by itself.
        """
        return True

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._pool.close_idle()

    def _require_no_outage(self) -> None:
        if time.monotonic() < self._retry_at:
            raise ArchiveUnavailable(self._outage)

    @property
    def write_problem(self) -> str:
        """Why this process's last write was refused; empty if it was not."""
        return self._write_problem

    @abstractmethod
    def encoding(self) -> str:
        """The encoding of its texts, as PostgreSQL writes it. Raises ArchiveUnavailable."""

    @abstractmethod
    def _open(self) -> Any:
        """Connect, and bring the tables up to date. Raises ConnectionLost, TooManyConnections."""

    @abstractmethod
    def _run(self, connection: Any, work: Work[T], *, writes: bool) -> T:
        """Raises what `transact_in_time` raises, WritesRefused and ConnectionLost."""

    @abstractmethod
    def _close(self, connection: Any) -> None: ...
