"""Erasures: deletions of jobs without a record, whose objects the sweep searches for."""

from jobs.domain.errors import QueueFull
from jobs.store import commit, late_objects
from jobs.store.due_sets import DueSet
from jobs.store.job_store import JobStore
from jobs.store.redis import keys
from jobs.store.redis.scripts import Command

ERASURES_MAX = 100  # under way: each needs a listing of each day
FIRST_DAY = 1_704_067_200.0  # 2024-01-01: BFL had no API before


def begin(store: JobStore, under_way: DueSet, job_id: str) -> bool:
    """Begin the erasure of a job without a record; False if it has a record.

    It leaves a tombstone, so that no late callback makes the job anew (I12). Raises QueueFull;
    erasures that begin at the same moment may exceed the limit by a few.
    """
    if len(under_way.earliest(ERASURES_MAX)) >= ERASURES_MAX:
        raise QueueFull(f"{ERASURES_MAX} deletions of jobs without a record are under way")
    now = store.now()
    commands: list[Command] = [
        ("SET", keys.TOMBSTONE_PREFIX + job_id, "", "EX", commit.TOMBSTONE_SECONDS),
        ("ZADD", keys.ERASURES, "NX", FIRST_DAY, job_id),
        *late_objects.notes_without_record(job_id, now),
    ]
    if store.followers.archive:  # a row that is imported meanwhile does not count
        commands.append(("ZADD", keys.DELETIONS, int(now * 1e6), job_id))
    return store.run_if_unchanged(job_id, 0, commands)


def advance(store: JobStore, job_id: str, day: float) -> None:
    """Set the next day to search, in unix seconds, and renew the tombstone."""
    commands: list[Command] = [
        ("ZADD", keys.ERASURES, "XX", day, job_id),
        ("EXPIRE", keys.TOMBSTONE_PREFIX + job_id, commit.TOMBSTONE_SECONDS),
    ]
    store.run_if_unchanged(job_id, commit.ANY_VERSION, commands)
