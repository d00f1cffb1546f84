"""Schedule of a stored job's thumbnails: pure steps."""

from dataclasses import replace

from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.retry_policy import RetryPolicy

CLAIM_SECONDS = 120.0  # after this another worker may try
ATTEMPTS_MAX = 5  # an image that crashes every worker is left without a thumbnail
# After an error of the storage: 10, 40, 160 and 640 s; after 2,560 s it is given up.
STORAGE_RETRIES = RetryPolicy(first_seconds=10.0, longest_seconds=2560.0, growth=4.0, jitter=0.0)


def claim(job: Job, now: float) -> Job:
    """Claim the due thumbnails for one worker, or give up; an unchanged job when none are due."""
    if job.thumbnails.due_at is None or job.thumbnails.due_at > now:
        return job
    if job.thumbnails.attempts >= ATTEMPTS_MAX:
        return finish(job, now)
    return job.with_thumbnails(due_at=now + CLAIM_SECONDS, attempts=job.thumbnails.attempts + 1)


def postpone(job: Job, now: float) -> Job:
    """Schedule the next attempt after the storage failed."""
    if job.thumbnails.due_at is None:
        return job
    earlier_failures = job.thumbnails.attempts - 1
    pause = STORAGE_RETRIES.pause_seconds(earlier_failures)
    return job.with_thumbnails(due_at=now + pause)


def release(job: Job, now: float) -> Job:
    """Release the claim of a worker that has more urgent work."""
    if job.thumbnails.due_at is None:
        return job
    return job.with_thumbnails(due_at=now)


def add(job: Job, original: MediaFile, thumbnail: MediaFile) -> Job:
    """Add a thumbnail to its original; the unchanged job if this original is gone."""

    def with_thumbnail(file: MediaFile) -> MediaFile:
        if file == original:
            return replace(file, thumbnail=thumbnail)
        return file

    after = job.with_files(with_thumbnail)
    if after is job:
        return job
    # A success restarts the count of attempts.
    return after.with_thumbnails(attempts=min(job.thumbnails.attempts, 1))


def finish(job: Job, _now: float) -> Job:
    """Remove the due time of the thumbnails; an unchanged job when it has none."""
    if job.thumbnails.due_at is None:
        return job
    return job.with_thumbnails(due_at=None)


def remove(job: Job, now: float, thumbnail: MediaFile) -> Job:
    """Remove a thumbnail that is missing or damaged in the storage, and schedule a new one."""

    def without_thumbnail(file: MediaFile) -> MediaFile:
        if file.thumbnail == thumbnail:
            return replace(file, thumbnail=None)
        return file

    after = job.with_files(without_thumbnail)
    if after is job:
        return job
    return schedule(after, now)


def schedule(job: Job, now: float) -> Job:
    """Schedule thumbnails for the present images that have none."""
    if any(file.is_image and file.thumbnail is None for file in job.present_media):
        return job.with_thumbnails(due_at=now, attempts=0)
    return job
