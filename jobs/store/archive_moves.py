"""Ended jobs between Redis and the archive: what is due, evicted, recalled and deleted."""

import math
from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from jobs.domain.job import Job
from jobs.domain.status import TERMINAL, Status
from jobs.store import codec, commit
from jobs.store.indexes import indexes, unkept_sets
from jobs.store.job_store import JobStore
from jobs.store.metrics import Counter, counted
from jobs.store.redis import keys, scripts
from jobs.store.redis.script_pipeline import ScriptPipeline
from jobs.store.redis.scripts import Command

NEWEST = "newest"  # the creation time of the newest job that only the archive has
LAST_PASS = "last_pass"  # noqa: S105 - when the sweep wrote rows last: an older Redis knows an older time
SCANNED = 500
_ACTIVE = tuple(status for status in Status if not status.terminal)


class Known(NamedTuple):
    """Knowledge of Redis about a job; `deleted_at` is in microseconds, as versions are."""

    record: bytes | None
    tombstone: str | None
    deleted_at: int | None

    def hides(self, version: int) -> bool:
        """Whether a row of this version does not count, because its job was deleted (I27)."""
        if self.deleted_at is None:
            return self.tombstone == ""  # deleted by a process that knows of no archive
        return self.deleted_at >= version


class NextLook(NamedTuple):
    """When the sweep looks at a job again; never, if its record is gone or has not ended."""

    at: float | None
    is_refused: bool = False  # its row could not be written


class Cold(NamedTuple):
    """Jobs that only the archive has, by status, and the creation time of the newest."""

    jobs: Mapping[Status, int]
    newest: float
    last_pass: float


class ArchiveMoves:
    """Raises StoreUnavailable."""

    def __init__(self, pipeline: ScriptPipeline, store: JobStore) -> None:
        self._redis = pipeline.client
        self._store = store
        register = self._redis.register_script
        self._load_known = register(scripts.read("known_jobs"))
        self._recall_script = register(scripts.read("recall"))
        self._reschedule_script = register(scripts.read("reschedule_archived"))

    def known_jobs(self, job_ids: Sequence[str]) -> dict[str, Known]:
        """All that Redis knows of these jobs at one moment."""
        arguments = [keys.RECORD_PREFIX, keys.TOMBSTONE_PREFIX, *job_ids]
        found = self._load_known(keys=[keys.DELETIONS], args=arguments) if job_ids else []
        return {
            job_id: Known(
                record,
                None if tombstone is None else tombstone.decode(),
                None if deleted is None else int(float(deleted)),
            )
            for job_id, (record, tombstone, deleted) in zip(job_ids, found, strict=True)
        }

    # Between Redis and the archive.

    def evict(self, job: Job) -> bool:
        """Delete the record of an archived job unless it has changed (I28). No deletion: no event.

        What is kept for a time beside the record stays, and the job counts as archived.
        """
        return self._store.run_if_unchanged(job.id, job.version, _eviction(job, job))

    def give_way(self, job: Job, archived: Job, left: Sequence[str]) -> bool:
        """Delete a record that is not of the job that its row has, or is older than the row.

        `left` are keys of objects that the row does not name: they are deleted in an hour.
        """
        commands = _eviction(job, archived)
        if left:
            at = self._store.now() + commit.UNRECORDED_SECONDS
            commands.append(("ZADD", keys.INPUT_NOTES, at, " ".join((job.id, *left))))
        return self._store.run_if_unchanged(job.id, job.version, commands)

    def recall(self, job: Job) -> bool:
        """Write the record of a job of the archive, so that it can be changed; False if deleted.

        The job is not new (I33): no event, no count, no cost, no notification.
        """
        version = job.next_version(self._store.now())
        due_at = version / 1e6 + commit.ARCHIVE_SECONDS
        commands: list[Command] = [
            ("SET", keys.RECORD_PREFIX + job.id, codec.encode(job, version)),
            *(("ZADD", key, at, job.id) for key, at in indexes(job).items()),
            *(("SET", keys.TASK_PREFIX + task_id, job.id) for task_id in commit.aliases(job)),
            *(("DEL", keys.TOMBSTONE_PREFIX + name) for name in (job.id, *commit.aliases(job))),
            *(("ZADD", keys.COLD, "XX", "INCR", -1, name) for name in _numbers(job)),
            ("ZADD", keys.ARCHIVE_DUE, due_at, job.id),
        ]
        names = [keys.RECORD_PREFIX + job.id, keys.TOMBSTONE_PREFIX + job.id, keys.DELETIONS]
        arguments = [job.id, job.version, *scripts.flat(commands)]
        return bool(self._recall_script(keys=names, args=arguments))

    def remember(self, job_id: str, task_id: str | None, status: Status) -> None:
        """Set the tombstone of a job again that only the archive has: Redis lost it, or it ended.

        Not where there is a record, or another tombstone: the job may have been deleted.
        """
        names = dict.fromkeys((job_id, task_id or job_id))
        commands: list[Command] = [
            (
                "SET",
                keys.TOMBSTONE_PREFIX + name,
                status.value,
                "NX",
                "EX",
                commit.TOMBSTONE_SECONDS,
            )
            for name in names
        ]
        self._store.run_if_unchanged(job_id, 0, commands)

    def leave(self, job: Job) -> None:
        """Note that the archive has an evicted job no more: its retention is over."""
        gone: list[Command] = [("ZREM", key, job.id) for key in unkept_sets(job)]
        gone += [("ZADD", keys.COLD, "XX", "INCR", -1, name) for name in _numbers(job)]
        self._store.run_if_unchanged(job.id, 0, gone)

    # What the sweep looks at.

    def due(self, at: float, limit: int) -> list[tuple[str, float]]:
        """Ended jobs to look at by then, the earliest first, and when each was due."""
        found = self._redis.zrangebyscore(keys.ARCHIVE_DUE, "-inf", at, 0, limit, withscores=True)
        return [(name.decode(), score) for name, score in found]

    def refused(self, limit: int) -> list[str]:
        """Jobs whose rows could not be written."""
        found = self._redis.zrange(keys.ARCHIVE_REFUSED, 0, limit - 1)
        return [name.decode() for name in found]

    def unproven(self, now: float, most: int) -> list[str] | None:
        """Jobs that rows may lack or have older: under way, written a moment ago, or refused.

        None if they are too many, and while an ended job has no entry: there may be no row of it.
        """
        with self._redis.round_trip() as pipe:
            for status in _ACTIVE:  # first: one that ends meanwhile is in both
                pipe.zrange(keys.STATUS_PREFIX + status, 0, most)
            for status in TERMINAL:
                pipe.zcard(keys.STATUS_PREFIX + status)
            pipe.zcard(keys.ARCHIVE_DUE)
            until = now + commit.ARCHIVE_SECONDS
            pipe.zrangebyscore(keys.ARCHIVE_DUE, "-inf", until, 0, most)
            pipe.zrange(keys.ARCHIVE_REFUSED, 0, most)
            *found, entries, due, refused = pipe.execute()
        active, ended = found[: len(_ACTIVE)], sum(found[len(_ACTIVE) :])
        names = list(dict.fromkeys(chain(due, refused, *active)))
        if entries < ended or len(names) >= most:
            return None
        return [name.decode() for name in names]

    def reschedule(self, changes: Iterable[tuple[str, float, NextLook]]) -> None:
        """Set when jobs are looked at next (id, score that was read, next look)."""
        arguments = list[str]()
        for name, read, (at, is_refused) in changes:
            new = "" if at is None else f"{at:.17g}"
            arguments += (name, f"{read:.17g}", new, "1" if is_refused else "")
        names = [keys.ARCHIVE_DUE, keys.ARCHIVE_REFUSED]
        self._reschedule_script(keys=names, args=arguments)

    def scan_ended(self) -> Iterator[list[str]]:
        """Every ended job with a record, page by page; some may come twice."""
        for key in (keys.ENDED, keys.ENDED_MEDIA):
            cursor: int | None = None
            while cursor != 0:  # which comes with the last page
                cursor, rows = self._redis.zscan(key, cursor or 0, count=SCANNED)
                yield [member.decode() for member, _ in rows]

    def scan_under_way(self) -> Iterator[list[str]]:
        """Every job that has not ended, page by page; some may come twice."""
        cursor: int | None = None
        while cursor != 0:  # which comes with the last page
            cursor, rows = self._redis.zscan(keys.DUE, cursor or 0, count=SCANNED)
            yield [member.decode() for member, _ in rows]

    def schedule(self, job_ids: Iterable[str], at: float, *, only_new: bool) -> None:
        """Have the sweep look at jobs by then; `only_new`: unless it is to do so at any time."""
        flag = "NX" if only_new else "LT"
        commands = [("ZADD", keys.ARCHIVE_DUE, flag, at, job_id) for job_id in job_ids]
        if commands:
            self._redis.write_essential(*commands)

    # Deletions, which the rows follow.

    def deletions(self, since: float, until: float = math.inf) -> Iterator[list[tuple[str, int]]]:
        """Deleted jobs with the microsecond of their deletion, page by page; some come twice."""
        limit, is_last = SCANNED, False
        while not is_last:
            found = self._redis.zrangebyscore(
                keys.DELETIONS, since, until, 0, limit, withscores=True
            )
            is_last = len(found) < limit
            if not is_last:
                if found[-1][1] == since:  # a page is not enough for one microsecond
                    limit *= 2
                since = found[-1][1]
            if found:
                yield [(name.decode(), int(at)) for name, at in found]

    def drop_deletions(self, until: float) -> None:
        """Drop what no row and no backup of the database needs any more."""
        self._redis.zremrangebyscore(keys.DELETIONS, "-inf", until)

    # Numbers of the jobs that only the archive has.

    def cold(self) -> Cold | None:
        """None when Redis has lost them."""
        found = dict(self._redis.zrange(keys.COLD, 0, -1, withscores=True))
        jobs = {status: int(found.get(status.encode(), 0)) for status in TERMINAL}
        newest, last_pass = found.get(NEWEST.encode()), found.get(LAST_PASS.encode())
        if newest is None or last_pass is None:
            return None
        return Cold(jobs, newest, last_pass)

    def include(self, jobs: Iterable[Job], newest: float) -> None:
        """Count more jobs that only the archive has; lists look for the newest there."""
        counts = Counts(name for job in jobs for name in _numbers(job))
        self._redis.write_essential(
            ("ZADD", keys.COLD, "GT", newest, NEWEST),
            *(("ZADD", keys.COLD, "INCR", number, name) for name, number in counts.items()),
        )

    def end_pass(self, at: float) -> None:
        """Note when rows were written, as the database does with the rows."""
        self._redis.write_essential(("ZADD", keys.COLD, "XX", "GT", at, LAST_PASS))

    def recount(self, counts: Mapping[str, int], newest: float, at: float) -> None:
        """Set the numbers after Redis has lost them, or has come back older.

        The newest only rises: another sweep may have evicted a job meanwhile.
        """
        known = {name.decode() for name in self._redis.zrange(keys.COLD, 0, -1)} - {NEWEST}
        entries: dict[str, float] = {**dict.fromkeys(known, 0), **counts, LAST_PASS: at}
        self._redis.write_essential(
            *(("ZADD", keys.COLD, number, name) for name, number in entries.items()),
            ("ZADD", keys.COLD, "GT", newest, NEWEST),
        )


def _eviction(job: Job, archived: Job) -> list[Command]:
    """The commands that leave a job to the archive, which has it as `archived`."""
    return [
        *commit.removal(job),
        *commit.tombstones(archived, archived.status.value),
        *(("ZADD", keys.COLD, "INCR", 1, name) for name in _numbers(archived)),
        ("ZADD", keys.COLD, "GT", archived.created_at, NEWEST),
        ("HINCRBY", keys.COUNTERS, Counter.EVICTED, 1),
    ]


def _numbers(job: Job) -> list[str]:
    return counted(job.status, job.request.key)
