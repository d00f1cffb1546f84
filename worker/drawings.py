"""Thumbnails for what is stored: drawn when no worker has anything better to do."""

import logging
import time
from collections.abc import Callable

from jobs import drawing, sidecars
from jobs.errors import BrokenRecord, StorageFailed
from jobs.job import Job
from jobs.kept import Kept
from jobs.media import thumbnail_key
from jobs.services import Services
from worker import thumbnail
from worker.thumbnail import Thumbnail

JOBS_MAX = 100  # in one turn
# Of one job; what is left then, of many files that are hard to draw, has no thumbnails.
JOB_SECONDS = 30.0
ORIGINAL_MAX_BYTES = 128 * 2**20  # a bucket's objects have to be fetched again

log = logging.getLogger(__name__)


def catch_up(services: Services, is_recalled: Callable[[], bool] = lambda: False) -> None:
    """Draw for one stored job after the other, until none waits or something else does."""
    for _ in range(JOBS_MAX):
        job_id = services.store.to_draw()
        if job_id is None or is_recalled() or _is_anything_urgent(services):
            return
        draw(services, job_id)


def _is_anything_urgent(services: Services) -> bool:
    return bool(services.store.most_urgent() or services.slots.next(only_look=True))


def draw(services: Services, job_id: str) -> None:
    """Take one job, unless another worker was quicker. What fails is tried again later."""
    try:
        change = services.store.change(job_id, lambda job, now: job and drawing.taken(job, now))
        job = change.after
        if not change.written or job is None:
            services.store.settle_drawing(job_id, job.draw_at if job else None)
        elif job.draw_at is None:
            log.warning("job %s: thumbnails given up", job_id)
        else:
            _complete(services, job)
    except BrokenRecord:
        services.store.settle_drawing(job_id, None)
    except (StorageFailed, OSError) as error:
        log.warning("job %s: thumbnails put off: %s", job_id, type(error).__name__)
        services.store.change(job_id, lambda job, now: job and drawing.put_off(job, now))


def _complete(services: Services, job: Job) -> None:
    """Thumbnails, notes beside the objects, and only then it is done: any step may be the last."""
    is_done = _draw_all(services, job)
    sidecars.keep_true(services.store, services.media, job.id)
    step = drawing.finished if is_done else drawing.left
    services.store.change(job.id, lambda job, now: job and step(job, now))


def _draw_all(services: Services, job: Job) -> bool:
    """False when something more urgent came up after one of them."""
    until = time.monotonic() + JOB_SECONDS
    for n, file in enumerate(filter(_is_wanted, job.kept)):
        if n and _is_anything_urgent(services):
            return False
        if time.monotonic() < until:
            _show_small(services, job, file)
    return True


def _is_wanted(file: Kept) -> bool:
    return file.is_picture and file.thumbnail is None and file.bytes <= ORIGINAL_MAX_BYTES


def _show_small(services: Services, job: Job, file: Kept) -> None:
    with services.media.local_copy(file.key) as original:
        made = thumbnail.make(original, file.content_type)
    if made is None:
        log.info("job %s: stored without a thumbnail of %s", job.id, file.key)
        return
    keep(services, job.id, file, made)


def keep(services: Services, job_id: str, file: Kept, made: Thumbnail) -> None:
    """Write a thumbnail and put it on record; a job forgotten meanwhile has none."""
    small = made.kept(thumbnail_key(file.key))
    services.media.write(small.key, made.body)
    change = services.store.change(
        job_id, lambda job, _now: job and drawing.completed(job, file, small)
    )
    if change.after is None or all(one.thumbnail != small for one in change.after.media):
        services.media.remove(small.key)
