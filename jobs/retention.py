"""Retention of ended jobs: separate periods for media and for records."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

from jobs.job import Job
from jobs.record import MediaFile
from jobs.timeline import EventCode

DAY_SECONDS = 86400.0
_NEVER = float("-inf")


class Cutoffs(NamedTuple):
    """Unix times: media and records of jobs that ended by then are deleted."""

    media: float
    jobs: float


@dataclass(frozen=True, slots=True)
class Retention:
    """Days after the end of a job; None means forever."""

    media_days: float | None = None
    jobs_days: float | None = 30.0

    def cutoffs(self, now: float) -> Cutoffs:
        return Cutoffs(_cutoff(now, self.media_days), _cutoff(now, self.jobs_days))


def _cutoff(now: float, days: float | None) -> float:
    return _NEVER if days is None else now - days * DAY_SECONDS


def media_deleted(job: Job, now: float) -> Job:
    """Mark all media as deleted, the input's objects too; the status stays."""
    gone = _mark_deleted(job, {file.key for file in job.present_media}, now)
    if job.submission.input_files:
        gone = gone.with_submission(input_files=())
    if gone is job:
        return job
    return gone.with_thumbnails(due_at=None).with_event(
        now, EventCode.MEDIA_DELETED, files=len(job.present_media)
    )


def media_missing(job: Job, now: float, keys: Collection[str]) -> Job:
    """Mark media as deleted that are missing in the storage."""
    gone = _mark_deleted(job, keys, now)
    return (
        gone if gone is job else gone.with_event(now, EventCode.MEDIA_MISSING, objects=sorted(keys))
    )


def media_found(job: Job, now: float, key: str) -> Job:
    """Mark a missing file as present again; its thumbnail was deleted with it."""

    def mark(file: MediaFile) -> MediaFile:
        gone = file.key == key and file.deleted_at is not None
        return replace(file, deleted_at=None, thumbnail=None) if gone else file

    media = tuple(map(mark, job.media))
    found = replace(job, media=media)
    return (
        found.with_event(now, EventCode.MEDIA_FOUND, objects=[key]) if media != job.media else job
    )


def _mark_deleted(job: Job, keys: Collection[str], now: float) -> Job:
    """Mark files as deleted. They stay in the list, because links name files by number."""

    def mark(file: MediaFile) -> MediaFile:
        return (
            replace(file, deleted_at=now)
            if file in job.present_media and file.key in keys
            else file
        )

    media = tuple(map(mark, job.media))
    return replace(job, media=media) if media != job.media else job
