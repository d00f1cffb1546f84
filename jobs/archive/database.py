"""A database: a few connections, one transaction for each call, and its outages."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from queue import Empty, LifoQueue
from typing import Any, Protocol, TypeVar

from jobs.archive import schema
from jobs.domain.errors import ArchiveUnavailable

QUERY_SECONDS = 5.0  # then a query is cut
RETRY_SECONDS = 5.0  # after a failure nobody tries for so long

T = TypeVar("T")
log = logging.getLogger(__name__)


class BadRow(Exception):
    """The database refuses what was to be written for its data: no outage."""


class ConnectionLost(Exception):
    """The connection is of no use any more. The text has no host, no user and no password."""


class Transaction(Protocol):
    """Runs SQL with `?` for each parameter; returns the rows of the answer."""

    def __call__(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...


Work = Callable[[Transaction], T]
Runner = Callable[[Callable[[], Any]], Any]  # runs a call that blocks


class Database(ABC):
    """Connections are made when they are needed, and anew after an error.

    With row numbers each row has one, in the order of time.
    """

    name: str
    has_row_numbers: bool
    size_sql: str

    def __init__(self, connections: int) -> None:
        self._free: LifoQueue[Any] = LifoQueue()
        for _ in range(connections):
            self._free.put(None)
        self._retry_at, self._problem, self._refuses_writes = 0.0, "", False

    def transact(self, work: Work[T], *, writes: bool = False) -> T:
        """Run `work` in a transaction; again if the connection was lost while nobody used it.

        Raises BadRow, and ArchiveUnavailable: nothing was written, or all of it if only the answer
        to the commit was lost.
        """
        self._require_no_outage()
        try:
            connection = self._free.get(timeout=QUERY_SECONDS)
        except Empty:
            raise ArchiveUnavailable("database: all connections are busy") from None
        try:
            self._require_no_outage()  # which others have noticed meanwhile
            if connection is not None:
                try:
                    return self._run_checked(connection, work, writes=writes)
                except ConnectionLost:
                    self._close(connection)
                    connection = None
            connection = self._open()
            answer = self._run_checked(connection, work, writes=writes)
        except ConnectionLost as error:
            if connection is not None:
                self._close(connection)
                connection = None
            self._refuses_writes = writes
            if not self._problem:
                log.warning("database: %s", error)
            self._problem = f"database: {error}"
            self._retry_at = time.monotonic() + RETRY_SECONDS
            raise ArchiveUnavailable(self._problem) from None
        else:
            if self._problem and (writes or not self._refuses_writes):
                log.info("the database answers again")
                self._problem = ""
            return answer
        finally:
            self._free.put(connection)

    def _run_checked(self, connection: Any, work: Work[T], *, writes: bool) -> T:
        """An older release must not write to a newer schema."""
        if writes and connection.version > schema.VERSION:
            raise ArchiveUnavailable("database: its tables are of a newer release")
        return self._run(connection, work, writes=writes)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for connection in [self._free.get() for _ in range(self._free.qsize())]:
            if connection:
                self._close(connection)
            self._free.put(None)

    def _require_no_outage(self) -> None:
        if time.monotonic() < self._retry_at:
            raise ArchiveUnavailable(self._problem)

    @abstractmethod
    def _open(self) -> Any:
        """Connect, and bring the tables up to date. Raises ConnectionLost."""

    @abstractmethod
    def _run(self, connection: Any, work: Work[T], *, writes: bool) -> T:
        """Raises BadRow, ConnectionLost, and ArchiveUnavailable for a query that took too long."""

    @abstractmethod
    def _close(self, connection: Any) -> None: ...
