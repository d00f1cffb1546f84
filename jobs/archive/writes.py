"""Writes of rows, each inside a transaction of the caller."""

from collections.abc import Iterable, Sequence
from typing import Any

from jobs.archive import row_numbers, rows, statements
from jobs.archive.database import BadRow, Transaction
from jobs.domain.job import INCARNATION_SECONDS, Job

# Of one transaction, which has five seconds. SQLite takes 32,766 parameters.
FACETS_MAX = 5000

_CHANGED_COLUMNS = rows.COLUMNS[1:]  # all but the id
_UPSERT = statements.read("upsert_jobs")
_REPLACE = statements.read("replace_job")


def in_transactions(jobs: Iterable[Job]) -> list[list[Job]]:
    """Part jobs, in the order of their ids, so that no transaction has too many facets.

    There is always one transaction, even without jobs.
    """
    transactions: list[list[Job]] = [[]]
    facets = 0
    for job in sorted(jobs, key=lambda job: job.id):
        facets_of_job = len(job.metadata) + len(job.media) + 1
        if transactions[-1] and facets + facets_of_job > FACETS_MAX:
            transactions.append([])
            facets = 0
        transactions[-1].append(job)
        facets += facets_of_job
    return transactions


def row_values(jobs: Sequence[Job], now: float) -> list[tuple[Any, ...]]:
    """The values of the rows of some jobs. Raises BadRow."""
    try:
        return [rows.values(job, now) for job in jobs]
    except (ValueError, TypeError) as error:
        raise BadRow(type(error).__name__) from None


def upsert(
    run: Transaction,
    jobs: Sequence[Job],
    values_of_rows: Sequence[tuple[Any, ...]],
    *,
    has_row_numbers: bool,
) -> None:
    """Write rows and their facets, except for rows that `sql/upsert_jobs.sql` lets stay."""
    if not jobs:
        return
    columns = list(rows.COLUMNS)
    parameters: list[Any] = []
    if has_row_numbers:
        columns.insert(0, "number")
        numbers = row_numbers.free_numbers(run, jobs)
        for number, values in zip(numbers, values_of_rows, strict=True):
            parameters.append(number)
            parameters.extend(values)
    else:
        for values in values_of_rows:
            parameters.extend(values)
    sql = _UPSERT.format(
        columns=", ".join(columns),
        rows=_placeholders_of_rows(len(jobs), len(columns)),
        changes=", ".join(f"{name} = excluded.{name}" for name in _CHANGED_COLUMNS),
        incarnation_seconds=INCARNATION_SECONDS,
    )
    written_ids = set()
    for (job_id,) in run(sql, parameters):
        written_ids.add(job_id)
    written_jobs = [job for job in jobs if job.id in written_ids]
    if written_jobs:
        _write_facets(run, written_jobs)


def _write_facets(run: Transaction, jobs: Sequence[Job]) -> None:
    """Replace the facets of some jobs. In one order, so that two sweeps cannot block each other."""
    ids = [job.id for job in jobs]
    run(f"DELETE FROM facets WHERE id IN ({placeholders(len(ids))})", ids)
    facet_rows = set[tuple[int, float, str]]()
    for job in jobs:
        for facet in rows.facets(job):
            facet_rows.add((facet, job.created_at, job.id))
    if not facet_rows:
        return
    parameters: list[Any] = []
    for facet_row in sorted(facet_rows):
        parameters.extend(facet_row)
    marks = _placeholders_of_rows(len(facet_rows), 3)
    run(f"INSERT INTO facets (facet, created_at, id) VALUES {marks}", parameters)


def replace(run: Transaction, job_id: str, values: tuple[Any, ...], version: int) -> bool:
    """Write a changed row if it still has the version that was read."""
    changes = " = ?, ".join(_CHANGED_COLUMNS) + " = ?"
    sql = _REPLACE.format(changes=changes)
    parameters = list(values[1:])
    parameters.append(job_id)
    parameters.append(version)
    return bool(run(sql, parameters))


def delete(run: Transaction, versions: dict[str, int]) -> int:
    """Delete rows whose version is not greater than that of their id; the number of rows."""
    if not versions:
        return 0
    ids = list(versions)
    sql = f"SELECT id, version FROM jobs WHERE id IN ({placeholders(len(ids))})"
    deleted_rows = 0
    for job_id, version in run(sql, ids):
        if version > versions[job_id]:
            continue
        is_deleted = run(
            "DELETE FROM jobs WHERE id = ? AND version <= ? RETURNING id",
            [job_id, versions[job_id]],
        )
        if is_deleted:
            run("DELETE FROM facets WHERE id = ?", [job_id])
            deleted_rows += 1
    return deleted_rows


def replace_words(run: Transaction, job_id: str, words: str, folded: str) -> None:
    """Write folded words if the row still has the words that were read."""
    # RETURNING: without an answer nobody would wait for the statement.
    sql = "UPDATE jobs SET words = ? WHERE id = ? AND words = ? RETURNING id"
    run(sql, [folded, job_id, words])


def set_state(run: Transaction, name: str, value: float) -> None:
    run(
        "INSERT INTO state (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [name, value],
    )


def placeholders(count: int) -> str:
    """Question marks for the values of one row, or of a list."""
    return ", ".join("?" * count)


def _placeholders_of_rows(rows_count: int, columns_count: int) -> str:
    row = f"({placeholders(columns_count)})"
    return ", ".join([row] * rows_count)
