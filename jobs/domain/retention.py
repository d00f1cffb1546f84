"""Retention of ended jobs: separate periods for media and for records."""

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.media_references import references_only
from jobs.domain.timeline import EventCode

DAY_SECONDS = 86400.0
NEVER = float("-inf")  # as a cutoff: no job ended before it, so nothing is deleted


class Cutoffs(NamedTuple):
    """Unix times: jobs that ended until `media` lose their media, until `jobs` their records."""

    media: float
    jobs: float


def media_deleted(job: Job, now: float) -> Job:
    """Mark all media as deleted, the input's objects too; the status stays."""
    keys = [file.key for file in job.present_media]
    after = _mark_deleted(job, keys, now)
    if job.request.input_files:
        after = after.with_request(input_files=())
    if after is job:
        return job
    after = after.with_thumbnails(due_at=None)
    return after.with_event(now, EventCode.MEDIA_DELETED, files=len(keys))


def input_deleted(job: Job) -> Job:
    """Drop the texts of people: the input, and those of the result, which repeat the prompt."""
    after = job.with_request(kept_input=None, input_files=())
    return after.evolve(result=references_only(job.result))


def media_missing(job: Job, now: float, keys: Collection[str]) -> Job:
    """Mark media as deleted that are missing in the storage."""
    after = _mark_deleted(job, keys, now)
    if after is job:
        return job
    return after.with_event(now, EventCode.MEDIA_MISSING, objects=sorted(keys))


def media_found(job: Job, now: float, key: str) -> Job:
    """Mark a missing file as present again; its thumbnail was deleted with it."""

    def mark_present(file: MediaFile) -> MediaFile:
        if file.key == key and file.deleted_at is not None:
            return replace(file, deleted_at=None, thumbnail=None)
        return file

    after = job.with_files(mark_present)
    if after is job:
        return job
    return after.with_event(now, EventCode.MEDIA_FOUND, objects=[key])


def _mark_deleted(job: Job, keys: Collection[str], now: float) -> Job:
    """Mark present files as deleted. They stay in the list: links name files by number."""

    def mark_deleted(file: MediaFile) -> MediaFile:
        if file.key in keys and file.deleted_at is None:
            return replace(file, deleted_at=now)
        return file

    return job.with_files(mark_deleted)
