"""The rows of the archive: put, read by id, listed, and deleted."""

import logging
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from importlib import import_module
from itertools import accumulate, groupby
from typing import Any, NamedTuple
from urllib.parse import unquote

from jobs import search_words
from jobs.archive import queries, rows
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
from jobs.domain.budgets import CREDITS_MAX
from jobs.domain.errors import ArchiveUnavailable, InvalidField
from jobs.domain.job import INCARNATION_SECONDS, Job
from jobs.domain.status import Status
from jobs.store.listing import Position
from jobs.store.search_conditions import Search

log = logging.getLogger(__name__)

SQLITE = "sqlite:///"
# Of one transaction, which has five seconds. SQLite takes 32,766 parameters.
FACETS_MAX = 5000
LAST_CHARACTER = "\x7f"  # behind all that ids are made of

_NO_NAME = "\x7f no entry has this name \x7f"

LAST_PASS, NOTED = "last_pass", "deletions_until"
FOLDED = "folding"  # the rule (`search_words.FOLDING`) that all words follow

# An absurd cost must not overflow the sum, as in the books.
_CREDITS = (
    f"CASE WHEN cost > {CREDITS_MAX} THEN {CREDITS_MAX} "
    f"WHEN cost < -{CREDITS_MAX} THEN -{CREDITS_MAX} ELSE cost END"
)
_MADE = ", ".join(f"'{status}'" for status in (Status.STORED, Status.EXPIRED, Status.LOST))
_WITHOUT_PRICE = f"CASE WHEN cost IS NULL AND status IN ({_MADE}) THEN 1 ELSE 0 END"


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
    """Time of the last write, microsecond up to which deletions are done, version of the tables.

    `folding` is the rule that the words of all rows follow.
    """

    last_pass: float
    deletions_until: float
    schema: int
    folding: int


class EntryCosts(NamedTuple):
    """Costs of the jobs of a day, counted from 1970, with one value of a metadata entry."""

    day: int
    model: str | None
    key: str | None
    value: str | None
    credits: float
    jobs_without_price: int


class Archive:
    """Raises ArchiveUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database, self.database_name = database, database.name
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

    # One job.

    def get(self, name: str, *, exactly: bool = False) -> Row | None:
        """The row of a job by its own id, else by BFL's task id."""
        found = self._select("jobs.id = ?", [name])
        if not found and not exactly:
            found = self._select("jobs.task_id = ? ORDER BY created_at DESC LIMIT 1", [name])
        return found[0] if found else None

    def get_many(self, job_ids: Sequence[str]) -> list[Row]:
        return self._select(f"jobs.id IN ({_marks(job_ids)})", job_ids) if job_ids else []

    def versions(self, job_ids: Sequence[str]) -> dict[str, Version]:
        """All that is known of these jobs."""
        columns = "id, version, status, archived_at, key, created_at, ended_at"
        sql = f"SELECT {columns} FROM jobs WHERE id IN ({_marks(job_ids)})"
        found = self._read(lambda run: run(sql, job_ids)) if job_ids else []
        return {job_id: Version(*rest) for job_id, *rest in found}

    def outcomes(self, names: Sequence[str]) -> list[Outcome]:
        """The jobs that have one of these ids, as their own or as BFL's."""
        columns = "id, task_id, status, version"
        marks = _marks(names)
        sql = (
            f"SELECT {columns} FROM jobs WHERE id IN ({marks}) "
            f"UNION SELECT {columns} FROM jobs WHERE task_id IN ({marks})"
        )
        found = self._read(lambda run: run(sql, [*names, *names]))
        return [
            Outcome(job_id, task_id, Status(status), version)
            for job_id, task_id, status, version in found
        ]

    def ids(self, prefix: str) -> set[str]:
        """Jobs whose id or task id begins so."""
        bounds = [prefix, prefix + LAST_CHARACTER]
        sql = (
            "SELECT id FROM jobs WHERE id >= ? AND id < ? "
            "UNION SELECT id FROM jobs WHERE task_id >= ? AND task_id < ? LIMIT 10"
        )
        found = self._read(lambda run: run(sql, [*bounds, *bounds]))
        return {job_id for (job_id,) in found}

    def owners(self, names: Sequence[str]) -> dict[str, str]:
        """The jobs that have these ids, as their own or as BFL's."""
        columns = ("task_id", "id")
        parts = [f"SELECT {one}, id FROM jobs WHERE {one} IN ({_marks(names)})" for one in columns]
        sql = " UNION ALL ".join(parts)
        return dict(self._read(lambda run: run(sql, [*names, *names])))

    def _select(self, where: str, parameters: Sequence[Any]) -> list[Row]:
        sql = f"SELECT {rows.READ_COLUMNS} FROM jobs WHERE {where}"
        return list(map(rows.read, self._read(lambda run: run(sql, parameters))))

    # Lists.

    def page(self, search: Search, limit: int, before: Position | None) -> list[Row]:
        """Up to so many jobs that may match, newest first, older than a position."""
        has_row_numbers = self._database.has_row_numbers

        def work(run: Transaction) -> list[tuple[Any, ...]]:
            return queries.page(run, search, limit, before, has_row_numbers=has_row_numbers)

        try:
            found = self._database.transact(work)
        except ForeignText:
            return []
        except QueryRefused:
            # Its size is bounded before, so that only another release of the database says so.
            message = "the database cannot answer this: ask for less"
            raise InvalidField(_largest_parameter(search), message) from None
        return [rows.read(row) for row in found]

    def counts(self) -> dict[Status, int]:
        """Jobs by status; reads an index of the whole table."""
        sql = "SELECT status, count(*) FROM jobs GROUP BY status"
        return {Status(status): n for status, n in self._read(lambda run: run(sql))}

    def counts_of_keys(self) -> dict[tuple[Status, str | None], int]:
        """Jobs by status and name of the API key; reads the whole table."""
        sql = "SELECT status, key, count(*) FROM jobs GROUP BY status, key"
        found = self._read(lambda run: run(sql))
        return {(Status(status), key): n for status, key, n in found}

    def due_for_deletion(
        self, cutoff: float, limit: int, after: tuple[float, str], *, with_objects: bool
    ) -> list[Row]:
        """Jobs that ended by then, the earliest first, from behind a time and an id."""
        condition = "has_objects = 1 AND " if with_objects else ""
        return self._select(
            f"{condition}ended_at <= ? AND (ended_at, id) > (?, ?) ORDER BY ended_at, id LIMIT ?",
            [cutoff, *after, limit],
        )

    # Costs.

    def costs(self, since: float, until: float, owner: str | None = None) -> list[tuple[Any, ...]]:
        """Model, key, credits and jobs without a price of the jobs created in this time."""
        where, parameters = _created_in(since, until, owner)
        sql = (
            f"SELECT model, key, coalesce(sum({_CREDITS}), 0), sum({_WITHOUT_PRICE}) FROM jobs "
            f"WHERE {where} GROUP BY model, key"
        )
        return self._read(lambda run: run(sql, parameters))

    def count_created(self, since: float, until: float, owner: str | None, most: int) -> int:
        """The number of jobs created in this time, of one API key or of all; `most` at most."""
        where, parameters = _created_in(since, until, owner)
        sql = f"SELECT count(*) FROM (SELECT 1 FROM jobs WHERE {where} LIMIT ?) AS created"
        rows_of_count = self._read(lambda run: run(sql, [*parameters, most]))
        return int(rows_of_count[0][0]) if rows_of_count else 0

    def costs_by(
        self, name: str, since: float, until: float, owner: str | None, most: int
    ) -> list[EntryCosts]:
        """Costs by the value of a metadata entry; `most` at most. Raises QueryTooLong."""
        entry = self._database.metadata_entry
        where, parameters = _created_in(since, until, owner)
        sql = (
            f"SELECT {entry.day} AS day, model, jobs.key AS key_name, entry.type, entry.atom, "
            f"coalesce(sum({_CREDITS}), 0), sum({_WITHOUT_PRICE}) FROM jobs {entry.join} "
            f"WHERE {where} GROUP BY 1, 2, 3, 4, 5 LIMIT ?"
        )

        def work(run: Transaction, name_of_rows: str | None) -> list[tuple[Any, ...]]:
            return run(sql, [name_of_rows, *parameters, most])

        names = (rows.clean(name), _NO_NAME)
        sums: list[tuple[Any, ...]] = []
        for name_of_rows in names:
            try:
                sums = self._database.transact_in_time(partial(work, name_of_rows=name_of_rows))
                break
            except ForeignText:  # then no entry in any row has this name
                continue
            except QueryRefused:
                raise InvalidField("by", "the database cannot read the metadata") from None
        costs: dict[tuple[Any, ...], EntryCosts] = {}
        for day, model, key, kind, atom, price, without_price in sums:
            # 1 and "1" are one value to a search, and two to a database.
            place = (int(day), model, key, entry.read(kind, atom))
            before = costs.get(place, EntryCosts(*place, 0.0, 0))
            jobs_without_price = before.jobs_without_price + int(without_price)
            costs[place] = EntryCosts(*place, before.credits + price, jobs_without_price)
        return list(costs.values())

    # Writes.

    def put(self, jobs: Iterable[Job], now: float, mark: float | None = None) -> list[str]:
        """Write rows; the ids of those that the database refuses.

        A row stays if its version is not older, or it is `stored` and the new one is not (I26), or
        it is of an older incarnation: the row decides what a late callback made anew (I29).
        `mark` notes the time of this pass.
        """
        ordered = sorted(jobs, key=lambda job: job.id)
        sizes = accumulate(len(job.metadata) + len(job.media) + 1 for job in ordered)
        found = groupby(zip(sizes, ordered, strict=True), lambda one: one[0] // FACETS_MAX)
        transactions = [[job for _, job in some] for _, some in found] or [[]]
        return [name for some in transactions for name in self._put_all(some, now, mark)]

    def _put_all(self, ordered: Sequence[Job], now: float, mark: float | None) -> list[str]:
        """Write rows in one transaction, or in several until a row that is refused is alone."""
        try:
            self._put(ordered, now, mark)
        except BadRow:
            if len(ordered) == 1:
                return [ordered[0].id]
            middle = len(ordered) // 2
            halves = ordered[:middle], ordered[middle:]
            return [name for half in halves for name in self._put_all(half, now, mark)]
        return []

    def _put(self, jobs: Sequence[Job], now: float, mark: float | None) -> None:
        has_numbers = self._database.has_row_numbers
        try:
            found = [rows.values(job, now) for job in jobs]
        except (ValueError, TypeError) as error:
            raise BadRow(type(error).__name__) from None
        names = ("number", *rows.COLUMNS) if has_numbers else rows.COLUMNS
        changed = ", ".join(f"{name} = excluded.{name}" for name in rows.COLUMNS[1:])
        sql = (
            f"INSERT INTO jobs ({', '.join(names)}) VALUES {_tuples([names] * len(found))} "
            f"ON CONFLICT (id) DO UPDATE SET {changed} WHERE excluded.version > jobs.version "
            "AND (jobs.status <> 'stored' OR (excluded.status = 'stored' "
            f"AND excluded.ended_at < jobs.ended_at + {INCARNATION_SECONDS})) "
            f"AND excluded.created_at < jobs.created_at + {INCARNATION_SECONDS} RETURNING id"
        )

        def work(run: Transaction) -> None:
            numbers = rows.free_numbers(run, jobs) if has_numbers else [()] * len(jobs)
            given = [(*number, *row) for number, row in zip(numbers, found, strict=True)]
            written = {job_id for (job_id,) in run(sql, _flat(given))} if given else set()
            new = [job for job in jobs if job.id in written]
            if new:
                run(f"DELETE FROM facets WHERE id IN ({_marks(new)})", [job.id for job in new])
            facets = sorted(
                {(one, job.created_at, job.id) for job in new for one in rows.facets(job)}
            )
            if facets:
                sql_facets = f"INSERT INTO facets (facet, created_at, id) VALUES {_tuples(facets)}"
                run(sql_facets, _flat(facets))
            if mark is not None:
                _set_state(run, LAST_PASS, mark)

        self._database.transact(work, writes=True)

    def replace(self, job: Job, version: int, now: float) -> bool:
        """Write a changed row if it still has the version that was read."""
        changed = ", ".join(f"{name} = ?" for name in rows.COLUMNS[1:])
        sql = f"UPDATE jobs SET {changed} WHERE id = ? AND version = ? RETURNING id"
        try:
            parameters = [*rows.values(job, now)[1:], job.id, version]
            written = self._database.transact(lambda run: run(sql, parameters), writes=True)
        except BadRow as error:
            log.error("job %s: the database refuses its row (%s)", job.id, error)  # noqa: TRY400
            return False
        if written:
            self._may_have_traces = True
        return bool(written)

    def fold_again(self, after: Position, limit: int) -> Position | None:
        """Bring the words of the next rows to the present rule; where to go on, None at the end.

        Words are folded from words: what the rule before has left out is left out.
        """
        sql = (
            "SELECT id, created_at, words FROM jobs WHERE (created_at, id) > (?, ?) "
            "ORDER BY created_at, id LIMIT ?"
        )
        found = self._read(lambda run: run(sql, [*after, limit]))
        changed = {}
        for job_id, _, words in found:
            folded = search_words.fold(words)
            if folded != words:
                changed[job_id] = (folded, words)

        def work(run: Transaction) -> None:
            for job_id, (folded, words) in changed.items():
                # Without a row's answer the statement would not be waited for.
                update = "UPDATE jobs SET words = ? WHERE id = ? AND words = ? RETURNING id"
                run(update, [folded, job_id, words])
            if len(found) < limit:
                _set_state(run, FOLDED, search_words.FOLDING)

        if changed or len(found) < limit:
            self._database.transact(work, writes=True)
        if len(found) < limit:
            return None
        last_id, last_created_at, _ = found[-1]
        return Position(last_created_at, last_id)

    def delete(self, entries: Sequence[tuple[str, int]], noted: float | None = None) -> int:
        """Delete rows whose version is not greater; the number. `noted` is for `State`."""

        until = dict(entries)

        def work(run: Transaction) -> int:
            sql = f"SELECT id, version FROM jobs WHERE id IN ({_marks(until)})"
            known = run(sql, [*until]) if until else []
            deleted = 0
            for job_id in (name for name, version in known if version <= until[name]):
                sql = "DELETE FROM jobs WHERE id = ? AND version <= ? RETURNING id"
                if run(sql, [job_id, until[job_id]]):
                    run("DELETE FROM facets WHERE id = ?", [job_id])
                    deleted += 1
            if noted is not None:
                _set_state(run, NOTED, noted)
            return deleted

        deleted_rows = self._database.transact(work, writes=True)
        if deleted_rows:
            self._may_have_traces = True
        return deleted_rows

    def require_intact(self) -> None:
        """Check a file that has changed. Raises ArchiveUnavailable if it is damaged."""
        if not self._database.check_file():
            raise ArchiveUnavailable(f"database: {DAMAGED}")

    @property
    def is_damaged(self) -> bool:
        """Whether some process has found that the file of the database is damaged."""
        return self._database.is_damaged

    def erase_traces(self) -> None:
        """Erase what files beside the rows still have of those that were deleted or replaced.

        The first call of a process does so in any case: the one before may have been killed.
        """
        if self._may_have_traces and self._database.erase_log():
            self._may_have_traces = False

    # State.

    def state(self) -> State:
        values = dict(self._read(lambda run: run("SELECT name, value FROM state")))
        schema = int(values.get("schema", 0))
        folding = int(values.get(FOLDED, 0))
        return State(values.get(LAST_PASS, 0.0), values.get(NOTED, 0.0), schema, folding)

    def encoding(self) -> str:
        """The encoding of its texts, as PostgreSQL writes it."""
        return self._database.encoding()

    @property
    def write_problem(self) -> str:
        """Why the last write of this process was refused; empty if it was not."""
        return self._database.write_problem

    def size(self) -> int:
        """Bytes of the whole database."""
        sql = self._database.size_sql
        return int(self._read(lambda run: run(sql))[0][0])

    def note_deletions(self, day: int, until: float) -> None:
        """Note up to which microsecond rows of deleted jobs are gone as a day begins."""
        sql = "INSERT INTO deletion_notes (day, until) VALUES (?, ?) ON CONFLICT (day) DO NOTHING"
        self._database.transact(lambda run: run(sql, [day, until]), writes=True)

    def noted_deletions(self, day: int) -> float:
        """The note of a day or of the latest before it; 0 without one."""
        sql = "SELECT coalesce(max(until), 0) FROM deletion_notes WHERE day <= ?"
        return float(self._read(lambda run: run(sql, [day]))[0][0])


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
    if path := sqlite_path(url):
        sqlite = import_module("jobs.archive.sqlite")  # only the one in use is loaded
        database = sqlite.SqliteDatabase(path, connections, in_thread, caller, query_seconds)
        return Archive(database)
    postgres = import_module("jobs.archive.postgres")
    return Archive(postgres.PostgresDatabase(url, connections, caller, query_seconds))


def sqlite_path(url: str) -> str:
    """The file of a DATABASE_URL; empty if it leads to a server."""
    return unquote(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else ""


def _created_in(since: float, until: float, owner: str | None) -> tuple[str, list[Any]]:
    """A condition and its parameters: jobs created in a time, of one API key or of all."""
    if owner is None:
        return "jobs.created_at >= ? AND jobs.created_at < ?", [since, until]
    condition = "jobs.key = ? AND jobs.created_at >= ? AND jobs.created_at < ?"
    return condition, [rows.clean(owner), since, until]


def _largest_parameter(search: Search) -> str:
    """The name of the query parameter that makes a search large."""
    if search.words is not None:
        return "q"
    return "metadata" if search.metadata else "status"


def _set_state(run: Transaction, name: str, value: float) -> None:
    run(
        "INSERT INTO state (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [name, value],
    )


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))


def _tuples(found: Sequence[Sequence[Any]]) -> str:
    return ", ".join(f"({_marks(row)})" for row in found)


def _flat(found: Sequence[Sequence[Any]]) -> list[Any]:
    return [one for row in found for one in row]
