"""Row numbers of SQLite: they follow the time, and so does the order of the index of words."""

from collections.abc import Sequence

from jobs.archive import rows
from jobs.archive.database import BadRow, Transaction
from jobs.domain.job import Job

NUMBERS_OF_MICROSECOND = 1024

_TAKEN_BY_OTHERS = "SELECT number FROM jobs WHERE number >= ? AND number < ? AND id <> ?"


def microsecond(at: float) -> int:
    return int(at * 1e6)


def first_number(at: float) -> int:
    """The first number of a row of this time."""
    return microsecond(at) * NUMBERS_OF_MICROSECOND


def end_number(at: float) -> int:
    """The first number of a row of the next microsecond."""
    return (microsecond(at) + 1) * NUMBERS_OF_MICROSECOND


def first_of_microsecond(number: int) -> int:
    """The first number of the microsecond that a number belongs to."""
    return number - number % NUMBERS_OF_MICROSECOND


def preferred_number(job_id: str, created_at: float) -> int:
    """The number of a row unless another job has it already."""
    return first_number(created_at) + rows.hash_of(job_id) % NUMBERS_OF_MICROSECOND


def free_numbers(run: Transaction, jobs: Sequence[Job]) -> list[int]:
    """A number for each job that no other job has.

    Raises BadRow if a microsecond has no more.
    """
    taken = set[int]()
    numbers = []
    for job in jobs:
        bounds = [first_number(job.created_at), end_number(job.created_at)]
        for (taken_number,) in run(_TAKEN_BY_OTHERS, [*bounds, job.id]):
            taken.add(taken_number)
        number = _free_number(job, taken)
        taken.add(number)
        numbers.append(number)
    return numbers


def _free_number(job: Job, taken: set[int]) -> int:
    """The preferred number or one behind it; behind the last number comes the first."""
    first = first_number(job.created_at)
    preferred = preferred_number(job.id, job.created_at) - first
    for step in range(NUMBERS_OF_MICROSECOND):
        number = first + (preferred + step) % NUMBERS_OF_MICROSECOND
        if number not in taken:
            return number
    raise BadRow("all numbers are taken")
