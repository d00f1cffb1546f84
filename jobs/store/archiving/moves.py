"""Moves of ended jobs between Redis and the archive: each is one compare-and-set on the record."""

from collections.abc import Sequence

from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store import codec, commit, deletion
from jobs.store.archiving.counts import NEWEST, count_names
from jobs.store.indexes import indexes, unkept_sets
from jobs.store.job_store import JobStore
from jobs.store.metrics import Counter
from jobs.store.redis import keys, scripts
from jobs.store.redis.client import StoreClient
from jobs.store.redis.scripts import Command


class ArchiveMoves:
    """Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient, store: JobStore) -> None:
        self._redis = redis
        self._store = store
        self._recall_script = redis.register_script(scripts.read("recall"))

    def evict(self, job: Job) -> bool:
        """Delete the record of an archived job unless it has changed (I28: it is not newer).

        This is no deletion, and no event tells of it. What is kept for a time beside the record
        stays, and the job counts as archived.
        """
        return self._store.run_if_unchanged(job.id, job.version, _eviction(job, archived=job))

    def delete_outranked_record(
        self, job: Job, archived: Job, unnamed_objects: Sequence[str]
    ) -> bool:
        """Delete a record that is older than the row of its id, or of another job than the row.

        `unnamed_objects` are keys of objects that the row does not name: they are deleted in an
        hour.
        """
        commands = _eviction(job, archived)
        if unnamed_objects:
            delete_at = self._store.now() + commit.UNRECORDED_SECONDS
            note = " ".join((job.id, *unnamed_objects))
            commands.append(("ZADD", keys.INPUT_NOTES, delete_at, note))
        return self._store.run_if_unchanged(job.id, job.version, commands)

    def recall(self, job: Job) -> bool:
        """Write the record of a job of the archive, so that it can be changed; False if deleted.

        The job is not new (I33: it ended once): no event, no count, no cost, no notification.
        """
        version = job.next_version(self._store.now())
        task_ids = commit.aliases(job)
        commands: list[Command] = [("SET", keys.RECORD_PREFIX + job.id, codec.encode(job, version))]
        commands += [("ZADD", key, score, job.id) for key, score in indexes(job).items()]
        commands.append(("DEL", keys.TOMBSTONE_PREFIX + job.id))
        for task_id in task_ids:
            commands.append(("SET", keys.TASK_PREFIX + task_id, job.id))
            commands.append(("DEL", keys.TOMBSTONE_PREFIX + task_id))
        commands += _count_one_less(job)
        written_at = version / 1e6  # a version is the microsecond of its writing
        commands.append(("ZADD", keys.ARCHIVE_DUE, written_at, job.id))
        names = [keys.RECORD_PREFIX + job.id, keys.TOMBSTONE_PREFIX + job.id, keys.DELETIONS]
        arguments = [job.id, job.version, *scripts.flat(commands)]
        return bool(self._recall_script(keys=names, args=arguments))

    def restore_tombstone(self, job_id: str, task_id: str | None, status: Status) -> None:
        """Set the tombstone again of a job that only the archive has: it was lost, or it expired.

        Nothing is set where there is a record, or another tombstone: the job may have been deleted.
        """
        names = [job_id]
        if task_id and task_id != job_id:
            names.append(task_id)
        expiry = ("EX", commit.TOMBSTONE_SECONDS)
        commands: list[Command] = [
            ("SET", keys.TOMBSTONE_PREFIX + name, status.value, "NX", *expiry) for name in names
        ]
        self._store.run_if_unchanged(job_id, 0, commands)

    def note_deleted_row(self, job: Job) -> None:
        """Note that the row of an evicted job was deleted: its retention is over."""
        commands: list[Command] = [("ZREM", key, job.id) for key in unkept_sets(job)]
        commands += _count_one_less(job)
        self._store.run_if_unchanged(job.id, 0, commands)


def _eviction(job: Job, archived: Job) -> list[Command]:
    """The commands that leave a job to the archive, which has it as `archived`."""
    commands = deletion.removal(job)
    commands += deletion.tombstones(archived, archived.status.value)
    numbers = count_names(archived.status, archived.request.key)
    commands += [("ZADD", keys.COLD, "INCR", 1, number) for number in numbers]
    commands.append(("ZADD", keys.COLD, "GT", archived.created_at, NEWEST))
    commands.append(("HINCRBY", keys.COUNTERS, Counter.EVICTED, 1))
    return commands


def _count_one_less(job: Job) -> list[Command]:
    """The commands that count one archived job less; numbers that Redis lost are not made anew."""
    numbers = count_names(job.status, job.request.key)
    return [("ZADD", keys.COLD, "XX", "INCR", -1, number) for number in numbers]
