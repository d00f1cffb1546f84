"""Schedule of archiving: when the sweep looks at each ended job next, and whose rows fail."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jobs.domain.status import TERMINAL, Status
from jobs.store.redis import keys, scripts
from jobs.store.redis.client import StoreClient
from jobs.store.redis.scripts import Command

SCANNED_AT_ONCE = 500
WRITTEN_LATELY_SECONDS = 60.0  # the sweep may be busy, or not run
_ACTIVE = tuple(status for status in Status if not status.terminal)


class NextLook(NamedTuple):
    """When the sweep looks at a job again; never, if its record is gone or has not ended."""

    at: float | None
    is_refused: bool = False  # its row could not be written
    # Version of its record, when Redis sees for the first time that its row is as new.
    proves_version: int | None = None


class ArchiveSchedule:
    """Raises StoreUnavailable."""

    def __init__(self, redis: StoreClient) -> None:
        self._redis = redis
        self._reschedule_script = redis.register_script(scripts.read("reschedule_archived"))

    def add(self, job_ids: Iterable[str], at: float, *, only_new: bool) -> None:
        """Have the sweep look at jobs at a time, or earlier if it would do so anyway.

        With `only_new` a job that is scheduled keeps its time, also a later one.
        """
        flag = "NX" if only_new else "LT"
        commands: list[Command] = [
            ("ZADD", keys.ARCHIVE_DUE, flag, at, job_id) for job_id in job_ids
        ]
        if commands:
            self._redis.write_essential(*commands)

    def due_until(self, at: float, limit: int) -> list[tuple[str, float]]:
        """Ended jobs to look at until a time, the earliest first, and when each was due."""
        members = self._redis.zrangebyscore(keys.ARCHIVE_DUE, "-inf", at, 0, limit, withscores=True)
        return [(member.decode(), due_at) for member, due_at in members]

    def reschedule(self, changes: Iterable[tuple[str, float, NextLook]]) -> None:
        """Set when jobs are looked at next.

        Each change names the job, the time that was read, and the next look. A job whose time has
        changed since it was read keeps the changed time.
        """
        arguments: list[str] = []
        for job_id, due_at, next_look in changes:
            next_at = ""
            if next_look.at is not None:
                next_at = _score(next_look.at)
            is_refused = "1" if next_look.is_refused else ""
            written_at = ""
            if next_look.proves_version is not None:
                written_at = _score(next_look.proves_version / 1e6)
            arguments += [job_id, _score(due_at), next_at, is_refused, written_at]
        names = [keys.ARCHIVE_DUE, keys.ARCHIVE_REFUSED, keys.ARCHIVE_PROVEN]
        self._reschedule_script(keys=names, args=arguments)

    def refused_jobs(self, limit: int) -> list[str]:
        """Jobs whose rows could not be written."""
        members = self._redis.zrange(keys.ARCHIVE_REFUSED, 0, limit - 1)
        return [member.decode() for member in members]

    def unproven_jobs(self, now: float, most: int) -> list[str] | None:
        """Jobs whose rows may be missing or old: under way, written a moment ago, or refused.

        None if there are `most` or more, and while an ended job has no entry in the schedule: it
        may have no row.
        """
        with self._redis.round_trip() as pipe:
            for status in _ACTIVE:  # read first: a job that ends meanwhile is then read twice
                pipe.zrange(keys.STATUS_PREFIX + status, 0, most)
            for status in TERMINAL:
                pipe.zcard(keys.STATUS_PREFIX + status)
            pipe.zcard(keys.ARCHIVE_DUE)
            until = now + WRITTEN_LATELY_SECONDS
            pipe.zrangebyscore(keys.ARCHIVE_DUE, "-inf", until, 0, most)
            pipe.zrange(keys.ARCHIVE_REFUSED, 0, most)
            answers = pipe.execute()
        active_ids = answers[: len(_ACTIVE)]
        ended_counts = answers[len(_ACTIVE) : -3]
        entries, due_ids, refused_ids = answers[-3:]
        if entries < sum(ended_counts):
            return None
        job_ids: dict[bytes, None] = {}  # each once, in this order
        for members in (due_ids, refused_ids, *active_ids):
            job_ids.update(dict.fromkeys(members))
        if len(job_ids) >= most:
            return None
        return [job_id.decode() for job_id in job_ids]

    def scan_ended(self) -> Iterator[list[str]]:
        """Every ended job with a record, page by page; some may come twice."""
        yield from self._redis.member_pages(keys.ENDED, SCANNED_AT_ONCE)
        yield from self._redis.member_pages(keys.ENDED_MEDIA, SCANNED_AT_ONCE)

    def scan_under_way(self) -> Iterator[list[str]]:
        """Every job that has not ended, page by page; some may come twice."""
        yield from self._redis.member_pages(keys.DUE, SCANNED_AT_ONCE)


def _score(at: float) -> str:
    """A time as a score in full precision, so that it compares equal in Redis."""
    return f"{at:.17g}"
