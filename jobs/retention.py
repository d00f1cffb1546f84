"""How long what has ended is kept: one clock for media, another one for records."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

from jobs.job import Job
from jobs.record import MediaFile
from jobs.timeline import EventCode

DAY_SECONDS = 86400.0
_NEVER = float("-inf")


class Cutoffs(NamedTuple):
    """Whatever ended at or before these unix times has been kept long enough."""

    media: float
    jobs: float


@dataclass(frozen=True, slots=True)
class Retention:
    """Days after the end of a job; None is for ever."""

    media_days: float | None = None
    jobs_days: float | None = 30.0

    def cutoffs(self, now: float) -> Cutoffs:
        return Cutoffs(_horizon(now, self.media_days), _horizon(now, self.jobs_days))


def _horizon(now: float, days: float | None) -> float:
    return _NEVER if days is None else now - days * DAY_SECONDS


def media_deleted(job: Job, now: float) -> Job:
    """The job stays what it is, and says since when its media are no longer kept."""
    gone = without(job, {file.key for file in job.kept}, now)
    if gone is job:
        return job
    return gone.with_thumbnails(due_at=None).with_event(
        now, EventCode.MEDIA_DELETED, files=len(job.kept)
    )


def media_missing(job: Job, now: float, keys: Collection[str]) -> Job:
    """Somebody else took them."""
    gone = without(job, keys, now)
    return (
        gone if gone is job else gone.with_event(now, EventCode.MEDIA_MISSING, objects=sorted(keys))
    )


def media_found(job: Job, now: float, key: str) -> Job:
    """What was missing is there again; its thumbnail had gone with it."""

    def mark(file: MediaFile) -> MediaFile:
        gone = file.key == key and file.deleted_at is not None
        return replace(file, deleted_at=None, thumbnail=None) if gone else file

    media = tuple(map(mark, job.media))
    found = replace(job, media=media)
    return (
        found.with_event(now, EventCode.MEDIA_FOUND, objects=[key]) if media != job.media else job
    )


def without(job: Job, keys: Collection[str], now: float) -> Job:
    """A file keeps its number, because links go by it; its entry says that it is gone."""

    def mark(file: MediaFile) -> MediaFile:
        return replace(file, deleted_at=now) if file in job.kept and file.key in keys else file

    media = tuple(map(mark, job.media))
    return replace(job, media=media) if media != job.media else job
