"""Which of the two says more of an ended job: its record in Redis, or its row in the archive."""

from jobs.archive.archive import Version
from jobs.domain.job import INCARNATION_SECONDS, Job
from jobs.domain.status import Status


def is_newer(job: Job, row: Version) -> bool:
    """Whether a record says more than a row; `upsert_jobs.sql` has an equal condition."""
    if job.version <= row.version:
        return False
    return not is_lesser(job, row) and not is_made_anew(job, row)


def is_outranked(job: Job, row: Version) -> bool:
    """Whether a record goes at once, because its row is of the job as it is."""
    is_another_job = abs(job.created_at - row.created_at) >= INCARNATION_SECONDS
    return is_another_job or is_lesser(job, row)


def is_lesser(job: Job, row: Version) -> bool:
    """Whether a record says less than a stored row, which stays (I26): Redis came back older."""
    if row.status != Status.STORED:
        return False
    if job.status is not Status.STORED:
        return True
    if job.ended_at is None:
        return False
    return job.ended_at >= row.ended_at + INCARNATION_SECONDS  # it has ended once more


def has_ended_for_good(job: Job, row: Version) -> bool:
    """Whether a record under way is of the same job as a row that nobody can replay."""
    is_final = row.status in (Status.STORED, Status.MODERATED)
    return is_final and not is_made_anew(job, row)


def is_made_anew(job: Job, row: Version) -> bool:
    """Whether a record is of a later job than its row, which was not deleted (I29).

    A callback made it while the database was away, or an announcement.
    """
    return job.created_at >= row.created_at + INCARNATION_SECONDS
