"""Deletions of jobs without a record: the sweep searches the storage for their objects."""

from jobs.domain.errors import QueueFull
from jobs.store import commit, late_objects
from jobs.store.job_store import JobStore
from jobs.store.redis import keys
from jobs.store.redis.scripts import Command
from jobs.store.sets import DueSet

ORPHAN_DELETIONS_MAX = 100  # under way: each takes a listing for each day
FIRST_DAY = 1_704_067_200.0  # 2024-01-01: BFL had no API before


def begin(store: JobStore, under_way: DueSet, job_id: str) -> bool:
    """Have the objects of a job without a record searched for; False if it has one.

    A tombstone is left (I12). Raises QueueFull; a few more may begin at the same time.
    """
    if len(under_way.first(ORPHAN_DELETIONS_MAX)) >= ORPHAN_DELETIONS_MAX:
        raise QueueFull(f"{ORPHAN_DELETIONS_MAX} deletions of jobs without a record are under way")
    now = store.now()
    commands: list[Command] = [
        ("SET", keys.TOMBSTONE_PREFIX + job_id, "", "EX", commit.TOMBSTONE_SECONDS),
        ("ZADD", keys.ORPHAN_DELETIONS, "NX", FIRST_DAY, job_id),
        *late_objects.notes_without_record(job_id, now),
    ]
    if store.followers.archive:  # a row that is imported meanwhile does not count
        commands.append(("ZADD", keys.DELETIONS, int(now * 1e6), job_id))
    return store.run_if_unchanged(job_id, 0, commands)


def advance(store: JobStore, job_id: str, day: float) -> None:
    """Set the next day to search, in unix seconds, and renew the tombstone."""
    commands: list[Command] = [
        ("ZADD", keys.ORPHAN_DELETIONS, "XX", day, job_id),
        ("EXPIRE", keys.TOMBSTONE_PREFIX + job_id, commit.TOMBSTONE_SECONDS),
    ]
    store.run_if_unchanged(job_id, commit.ANY_VERSION, commands)
