"""The rows of the archive: put, read by id, listed, and deleted."""

import logging
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import unquote

from jobs import search_words
from jobs.archive import costs, queries, rows, statements, writes
from jobs.archive.costs import Created, EntryCosts
from jobs.archive.database import (
    QUERY_SECONDS,
    BadRow,
    Caller,
    Database,
    ForeignText,
    QueryRefused,
    Runner,
    Transaction,
    Work,
    nobody,
)
from jobs.archive.file_damage import DAMAGED
from jobs.archive.rows import Row
from jobs.archive.writes import placeholders
from jobs.domain.errors import ArchiveUnavailable, InvalidField
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.listing import Position
from jobs.store.search_conditions import Search

log = logging.getLogger(__name__)

SQLITE = "sqlite:///"
LAST_CHARACTER = "\x7f"  # behind all that ids are made of

# Names of the table `state`.
LAST_PASS = "last_pass"  # noqa: S105 - not a password
DELETIONS_UNTIL = "deletions_until"
FOLDING = "folding"  # the rule (`search_words.FOLDING`) that all words follow

_ROW_BY_ID = f"SELECT {rows.READ_COLUMNS} FROM jobs WHERE id = ?"
_ROW_BY_TASK_ID = f"""
    SELECT {rows.READ_COLUMNS} FROM jobs WHERE task_id = ? ORDER BY created_at DESC LIMIT 1
""".strip()
_ROWS_BY_IDS = f"SELECT {rows.READ_COLUMNS} FROM jobs WHERE id IN ({{ids}})"
_VERSIONS_BY_IDS = """
    SELECT id, version, status, archived_at, key, created_at, ended_at FROM jobs WHERE id IN ({ids})
""".strip()
_OUTCOMES = statements.read("outcomes")
_IDS_WITH_PREFIX = statements.read("ids_with_prefix")
_OWNERS = statements.read("owners")
_DUE_FOR_DELETION = statements.read("due_for_deletion")
_WORDS_IN_ORDER = statements.read("words_in_order")


class Version(NamedTuple):
    """Part of a row that the sweep compares with a record."""

    version: int
    status: str
    archived_at: float
    key: str | None
    created_at: float
    ended_at: float


class Outcome(NamedTuple):
    """Part of a row that tells whether a callback comes late."""

    job_id: str
    task_id: str | None
    status: Status
    version: int


class State(NamedTuple):
    """The table `state`."""

    last_pass: float  # when rows were last written
    deletions_until: float  # the microsecond up to which rows of deleted jobs are gone
    schema: int  # the version of the tables
    folding: int  # the rule that the words of all rows follow


class Archive:
    """Rows of ended jobs in one database. Each method raises ArchiveUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.database_name = database.name
        self._may_have_traces = True

    def close(self) -> None:
        self._database.close()

    def _read(self, work: Work[list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
        """Rows of a query. A text that the database cannot hold is in no row."""
        try:
            return self._database.transact(work)
        except ForeignText:
            return []
        except QueryRefused as error:
            raise ArchiveUnavailable(f"database: it refuses a query ({error})") from None

    # Single jobs.

    def get(self, name: str, *, exactly: bool = False) -> Row | None:
        """The row of a job by its own id, else by BFL's task id."""
        matching_rows = self._read_rows(lambda run: run(_ROW_BY_ID, [name]))
        if not matching_rows and not exactly:
            matching_rows = self._read_rows(lambda run: run(_ROW_BY_TASK_ID, [name]))
        if not matching_rows:
            return None
        return matching_rows[0]

    def get_many(self, job_ids: Sequence[str]) -> list[Row]:
        if not job_ids:
            return []
        sql = _ROWS_BY_IDS.format(ids=placeholders(len(job_ids)))
        return self._read_rows(lambda run: run(sql, job_ids))

    def versions(self, job_ids: Sequence[str]) -> dict[str, Version]:
        """The version of each job that has a row."""
        if not job_ids:
            return {}
        sql = _VERSIONS_BY_IDS.format(ids=placeholders(len(job_ids)))
        versions = {}
        for job_id, *columns_of_version in self._read(lambda run: run(sql, job_ids)):
            versions[job_id] = Version(*columns_of_version)
        return versions

    def outcomes(self, names: Sequence[str]) -> list[Outcome]:
        """The jobs that one of the ids names, as their own id or as BFL's."""
        sql = _OUTCOMES.format(names=placeholders(len(names)))
        names_twice = list(names) * 2  # once for each index
        database_rows = self._read(lambda run: run(sql, names_twice))
        outcomes = []
        for job_id, task_id, status, version in database_rows:
            outcomes.append(Outcome(job_id, task_id, Status(status), version))
        return outcomes

    def ids(self, prefix: str) -> set[str]:
        """Jobs whose id or task id begins with a text; ten at most."""
        parameters = {"prefix": prefix, "end": prefix + LAST_CHARACTER}
        database_rows = self._read(lambda run: run(_IDS_WITH_PREFIX, parameters))
        return {job_id for (job_id,) in database_rows}

    def owners(self, names: Sequence[str]) -> dict[str, str]:
        """The jobs that have these ids, as their own or as BFL's."""
        sql = _OWNERS.format(names=placeholders(len(names)))
        names_twice = list(names) * 2  # once for each index
        return dict(self._read(lambda run: run(sql, names_twice)))

    def _read_rows(self, work: Work[list[tuple[Any, ...]]]) -> list[Row]:
        return [rows.read(database_row) for database_row in self._read(work)]

    # Lists.

    def page(self, search: Search, limit: int, before: Position | None) -> list[Row]:
        """Up to `limit` jobs that may match, newest first, older than a position."""
        has_row_numbers = self._database.has_row_numbers

        def work(run: Transaction) -> list[tuple[Any, ...]]:
            return queries.page(run, search, limit, before, has_row_numbers=has_row_numbers)

        try:
            database_rows = self._database.transact(work)
        except ForeignText:
            return []
        except QueryRefused:
            # Its size is bounded before, so that only another release of the database says so.
            message = "the database cannot answer this: ask for less"
            raise InvalidField(_largest_parameter(search), message) from None
        return [rows.read(database_row) for database_row in database_rows]

    def counts(self) -> dict[Status, int]:
        """Jobs by status; reads an index of the whole table."""
        sql = "SELECT status, count(*) FROM jobs GROUP BY status"
        database_rows = self._read(lambda run: run(sql))
        return {Status(status): count for status, count in database_rows}

    def counts_of_keys(self) -> dict[tuple[Status, str | None], int]:
        """Jobs by status and name of the API key; reads the whole table."""
        sql = "SELECT status, key, count(*) FROM jobs GROUP BY status, key"
        database_rows = self._read(lambda run: run(sql))
        return {(Status(status), key): count for status, key, count in database_rows}

    def due_for_deletion(
        self, cutoff: float, limit: int, after: tuple[float, str], *, with_objects: bool
    ) -> list[Row]:
        """Jobs that ended until a cutoff, the earliest first, from behind a time and an id."""
        further_conditions = ""
        if with_objects:
            further_conditions = "AND has_objects = 1"  # this exact text selects jobs_with_objects
        sql = _DUE_FOR_DELETION.format(
            columns=rows.READ_COLUMNS, further_conditions=further_conditions
        )
        after_ended_at, after_id = after
        parameters = {
            "cutoff": cutoff,
            "after_ended_at": after_ended_at,
            "after_id": after_id,
            "limit": limit,
        }
        return self._read_rows(lambda run: run(sql, parameters))

    # Costs.

    def costs(self, since: float, until: float, owner: str | None = None) -> list[tuple[Any, ...]]:
        """Model, key, credits and jobs without a price of the jobs created in this time."""
        created = Created(since, until, owner)
        return self._read(lambda run: costs.by_model_and_key(run, created))

    def count_created(self, since: float, until: float, owner: str | None, most: int) -> int:
        """The number of jobs created in this time, of one API key or of all; `most` at most."""
        created = Created(since, until, owner)
        counts = self._read(lambda run: costs.count_jobs(run, created, most))
        if not counts:  # no text of this database can be the name of this API key
            return 0
        ((count,),) = counts
        return int(count)

    def costs_by(
        self, name: str, since: float, until: float, owner: str | None, most: int
    ) -> list[EntryCosts]:
        """Costs by the value of a metadata entry; `most` at most. Raises QueryTooLong."""
        return costs.by_entry(self._database, name, Created(since, until, owner), most)

    # Writes.

    def put(self, jobs: Iterable[Job], now: float, mark: float | None = None) -> list[str]:
        """Write rows; returns the ids of jobs whose rows the database refuses.

        A row is not replaced by a version that is not newer, by a record without media if the row
        is `stored` (I26), or by a later incarnation that a late callback made (I29).
        `mark` notes the time of this pass.
        """
        refused_ids = []
        for jobs_of_transaction in writes.in_transactions(jobs):
            refused_ids += self._put_all(jobs_of_transaction, now, mark)
        return refused_ids

    def _put_all(self, jobs: Sequence[Job], now: float, mark: float | None) -> list[str]:
        """Write rows in one transaction, or in several until a row that is refused is alone."""
        try:
            self._put(jobs, now, mark)
        except BadRow:
            if len(jobs) == 1:
                return [jobs[0].id]
            middle = len(jobs) // 2
            refused_in_first_half = self._put_all(jobs[:middle], now, mark)
            refused_in_second_half = self._put_all(jobs[middle:], now, mark)
            return refused_in_first_half + refused_in_second_half
        return []

    def _put(self, jobs: Sequence[Job], now: float, mark: float | None) -> None:
        """Write rows in one transaction. Raises BadRow."""
        has_row_numbers = self._database.has_row_numbers
        values_of_rows = writes.row_values(jobs, now)

        def work(run: Transaction) -> None:
            writes.upsert(run, jobs, values_of_rows, has_row_numbers=has_row_numbers)
            if mark is not None:
                writes.set_state(run, LAST_PASS, mark)

        self._database.transact(work, writes=True)

    def replace(self, job: Job, version: int, now: float) -> bool:
        """Write a changed row if it still has the version that was read."""
        try:
            values = rows.values(job, now)
            is_written = self._database.transact(
                lambda run: writes.replace(run, job.id, values, version), writes=True
            )
        except BadRow as error:
            log.error("job %s: the database refuses its row (%s)", job.id, error)  # noqa: TRY400
            return False
        if is_written:
            self._may_have_traces = True
        return is_written

    def delete(
        self, entries: Sequence[tuple[str, int]], deletions_until: float | None = None
    ) -> int:
        """Delete rows whose version is not greater than an entry's; the number of deleted rows.

        `deletions_until` is for `State`.
        """
        versions = dict(entries)

        def work(run: Transaction) -> int:
            deleted_rows = writes.delete(run, versions)
            if deletions_until is not None:
                writes.set_state(run, DELETIONS_UNTIL, deletions_until)
            return deleted_rows

        deleted_rows = self._database.transact(work, writes=True)
        if deleted_rows:
            self._may_have_traces = True
        return deleted_rows

    def fold_again(self, after: Position, limit: int) -> Position | None:
        """Bring the words of the next rows to the present rule; where to go on, None at the end.

        Words are folded from words: a rule cannot bring back what an earlier one left out.
        """
        parameters = {
            "after_created_at": after.created_at,
            "after_id": after.id,
            "limit": limit,
        }
        words_of_rows = self._read(lambda run: run(_WORDS_IN_ORDER, parameters))
        is_end = len(words_of_rows) < limit
        updates = []
        for job_id, _, words in words_of_rows:
            folded = search_words.fold(words)
            if folded != words:
                updates.append((job_id, words, folded))

        def work(run: Transaction) -> None:
            for job_id, words, folded in updates:
                writes.replace_words(run, job_id, words, folded)
            if is_end:
                writes.set_state(run, FOLDING, search_words.FOLDING)

        if updates or is_end:
            self._database.transact(work, writes=True)
        if is_end:
            return None
        last_id, last_created_at, _ = words_of_rows[-1]
        return Position(last_created_at, last_id)

    # The file of the database.

    def require_intact(self) -> None:
        """Check a file that has changed. Raises ArchiveUnavailable if it is damaged."""
        if not self._database.check_file():
            raise ArchiveUnavailable(f"database: {DAMAGED}")

    @property
    def is_damaged(self) -> bool:
        """Whether some process has found that the file of the database is damaged."""
        return self._database.is_damaged

    def erase_traces(self) -> None:
        """Erase remains of deleted and replaced rows in files beside the database.

        The first call of a process does so in any case: the one before may have been killed.
        """
        if self._may_have_traces and self._database.erase_log():
            self._may_have_traces = False

    # State.

    def state(self) -> State:
        values = dict(self._read(lambda run: run("SELECT name, value FROM state")))
        return State(
            last_pass=values.get(LAST_PASS, 0.0),
            deletions_until=values.get(DELETIONS_UNTIL, 0.0),
            schema=int(values.get("schema", 0)),
            folding=int(values.get(FOLDING, 0)),
        )

    def encoding(self) -> str:
        """The encoding of the database's texts, as PostgreSQL writes it."""
        return self._database.encoding()

    def probe_write(self) -> None:
        """Write in a transaction that changes nothing: `write_problem` tells what is refused."""
        self._database.transact(lambda run: run("DELETE FROM state WHERE 1 = 0"), writes=True)

    @property
    def write_problem(self) -> str:
        """Why the last write of this process was refused; empty if it was not."""
        return self._database.write_problem

    def size(self) -> int:
        """Bytes of the whole database."""
        sql = self._database.size_sql
        ((size,),) = self._read(lambda run: run(sql))
        return int(size)

    def note_deletions(self, day: int, until: float) -> None:
        """Note up to which microsecond rows of deleted jobs are gone as a day begins."""
        sql = "INSERT INTO deletion_notes (day, until) VALUES (?, ?) ON CONFLICT (day) DO NOTHING"
        self._database.transact(lambda run: run(sql, [day, until]), writes=True)

    def noted_deletions(self, day: int) -> float:
        """The note of a day or of the latest before it; 0 without one."""
        sql = "SELECT coalesce(max(until), 0) FROM deletion_notes WHERE day <= ?"
        ((until,),) = self._read(lambda run: run(sql, [day]))
        return float(until)


def open_archive(
    url: str,
    connections: int,
    in_thread: Runner,
    caller: Caller = nobody,
    query_seconds: float = QUERY_SECONDS,
) -> Archive:
    """The archive of a DATABASE_URL; nothing is connected yet. `in_thread` is for SQLite.

    `caller` tells whose request is answered: no caller takes all connections.
    """
    path = sqlite_path(url)
    if path:
        sqlite = import_module("jobs.archive.sqlite")  # only the one in use is loaded
        database = sqlite.SqliteDatabase(path, connections, in_thread, caller, query_seconds)
    else:
        postgres = import_module("jobs.archive.postgres")
        database = postgres.PostgresDatabase(url, connections, caller, query_seconds)
    return Archive(database)


def sqlite_path(url: str) -> str:
    """The file of a DATABASE_URL; empty if it leads to a server."""
    if not url.startswith(SQLITE):
        return ""
    return unquote(url.removeprefix(SQLITE))


def _largest_parameter(search: Search) -> str:
    """The name of the query parameter that makes a search large."""
    if search.words is not None:
        return "q"
    return "metadata" if search.metadata else "status"
