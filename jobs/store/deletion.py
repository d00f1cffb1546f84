"""Commands that delete a job's record, and those that keep it deleted."""

from jobs.domain.job import Job
from jobs.store.commit import (
    TOMBSTONE_SECONDS,
    UNRECORDED_SECONDS,
    aliases,
    input_note,
    tombstone_keys,
)
from jobs.store.costs import deletion_updates
from jobs.store.indexes import possible_sets, unkept_sets
from jobs.store.redis import keys
from jobs.store.redis.scripts import Command, remove_from_sets


def deletion(job: Job) -> list[Command]:
    """The commands that delete a record and all keys of its job."""
    commands = removal(job)
    commands += deletion_updates(job)
    commands += remove_from_sets(job.id, unkept_sets(job))
    commands.append(("DEL", keys.REFUSED_CALLBACKS_PREFIX + job.id))
    return commands


def removal(job: Job) -> list[Command]:
    """The commands that remove a record and its indexes.

    The sets of unkept jobs and the refused callbacks stay: jobs without a record have them too.
    """
    # Every set that the job may be in, whatever its status is.
    names = possible_sets(job)
    names += [keys.ARCHIVE_DUE, keys.ARCHIVE_REFUSED, keys.ARCHIVE_PROVEN]
    sets_kept = unkept_sets(job)
    sets_to_leave = [name for name in names if name not in sets_kept]
    commands = remove_from_sets(job.id, sets_to_leave)
    commands.append(("DEL", keys.RECORD_PREFIX + job.id))
    commands += [("DEL", keys.TASK_PREFIX + task_id) for task_id in aliases(job)]
    return commands


def tombstones(job: Job, status: str = "") -> list[Command]:
    """The commands that prevent later callbacks from making a job anew (I12).

    With a status the job is not deleted: the archive has it.
    """
    commands: list[Command] = []
    for tombstone in tombstone_keys(job):
        commands.append(("SET", tombstone, status, "EX", TOMBSTONE_SECONDS))
    return commands


def deleted_input(job: Job, now: float) -> list[Command]:
    """The command that notes the objects of a deleted job's input.

    The sweep deletes the objects later: an equal request may store them again meanwhile (I23).
    """
    files = job.request.input_files
    if not files:
        return []
    note = input_note(job.id, files)
    return [("ZADD", keys.INPUT_NOTES, now + UNRECORDED_SECONDS, note)]
