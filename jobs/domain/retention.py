"""Retention of ended jobs: separate periods for media and for records."""

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from jobs.domain.job import Job
from jobs.domain.media_references import references_only
from jobs.domain.timeline import EventCode

DAY_SECONDS = 86400.0
NEVER = float("-inf")


class Cutoffs(NamedTuple):
    """Unix times: media and records of jobs that ended by then are deleted."""

    media: float
    jobs: float


def media_deleted(job: Job, now: float) -> Job:
    """Mark all media as deleted, the input's objects too; the status stays."""
    gone = _mark_deleted(job, {file.key for file in job.present_media}, now)
    if job.request.input_files:
        gone = gone.with_request(input_files=())
    if gone is job:
        return job
    return gone.with_thumbnails(due_at=None).with_event(
        now, EventCode.MEDIA_DELETED, files=len(job.present_media)
    )


def input_deleted(job: Job) -> Job:
    """Drop what people gave: its input, and the texts of the result, which repeats the prompt."""
    bare = job.with_request(kept_input=None, input_files=())
    return bare.evolve(result=references_only(job.result))


def media_missing(job: Job, now: float, keys: Collection[str]) -> Job:
    """Mark media as deleted that are missing in the storage."""
    gone = _mark_deleted(job, keys, now)
    event = EventCode.MEDIA_MISSING
    return gone if gone is job else gone.with_event(now, event, objects=sorted(keys))


def media_found(job: Job, now: float, key: str) -> Job:
    """Mark a missing file as present again; its thumbnail was deleted with it."""

    gone = [file for file in job.media if file.key == key and file.deleted_at is not None]
    present = replace(gone[0], deleted_at=None, thumbnail=None) if gone else None
    found = job.with_files(lambda file: present if present and file in gone else file)
    return found if found is job else found.with_event(now, EventCode.MEDIA_FOUND, objects=[key])


def _mark_deleted(job: Job, keys: Collection[str], now: float) -> Job:
    """Mark files as deleted. They stay in the list, because links name files by number."""
    gone = [file for file in job.present_media if file.key in keys]
    return job.with_files(lambda file: replace(file, deleted_at=now) if file in gone else file)
