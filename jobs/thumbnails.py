"""Thumbnails of a stored job: the pure steps, which change nothing else about it."""

from dataclasses import replace

from jobs.job import Job
from jobs.record import MediaFile

# Whoever draws has a job for so long; then somebody else may try.
DRAWING_SECONDS = 120.0
# A picture that costs a worker its life each time is left as it is. What the storage refused is
# tried after 10, 40, 160 and 640 s.
TRIES_MAX = 5
FIRST_PAUSE_SECONDS, PAUSE_GROWTH = 10.0, 4


def taken(job: Job, now: float) -> Job:
    """Taken by one worker, or given up; the others see that it is not due any more."""
    if job.thumbnails.due_at is None or job.thumbnails.due_at > now:
        return job
    if job.thumbnails.attempts >= TRIES_MAX:
        return finished(job, now)
    return job.with_thumbnails(due_at=now + DRAWING_SECONDS, attempts=job.thumbnails.attempts + 1)


def postpone(job: Job, now: float) -> Job:
    """Given back by its worker, which could not read or write."""
    if job.thumbnails.due_at is None:
        return job
    pause = FIRST_PAUSE_SECONDS * PAUSE_GROWTH ** (job.thumbnails.attempts - 1)
    return job.with_thumbnails(due_at=now + pause)


def left(job: Job, now: float) -> Job:
    """Given back by its worker, which has something better to do."""
    return job.with_thumbnails(due_at=now) if job.thumbnails.due_at is not None else job


def completed(job: Job, original: MediaFile, thumbnail: MediaFile) -> Job:
    """With the thumbnail of an original that it still has."""
    drawn = replace(original, thumbnail=thumbnail)
    media = tuple(drawn if file == original else file for file in job.media)
    if media == job.media:
        return job
    # Tries are counted from the last one that came to something.
    return replace(job, media=media).with_thumbnails(attempts=min(job.thumbnails.attempts, 1))


def finished(job: Job, _now: float) -> Job:
    return job.with_thumbnails(due_at=None) if job.thumbnails.due_at is not None else job


def lost(job: Job, now: float, thumbnail: MediaFile) -> Job:
    """Without a thumbnail that is not there as it was drawn."""
    media = tuple(
        replace(file, thumbnail=None) if file.thumbnail == thumbnail else file for file in job.media
    )
    return wanted(replace(job, media=media), now) if media != job.media else job


def wanted(job: Job, now: float) -> Job:
    """To be drawn where a picture that is still there has no thumbnail."""
    if any(file.is_picture and file.thumbnail is None for file in job.kept):
        return job.with_thumbnails(due_at=now, attempts=0)
    return job
