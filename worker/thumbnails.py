"""Thumbnails of stored images, made when no job waits."""

import hashlib
import logging
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from jobs import sidecars
from jobs.domain import thumbnail_schedule
from jobs.domain.errors import StorageError, UnreadableRecord
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.services import Services
from jobs.storage.layout import THUMBNAIL_TYPE, thumbnail_key
from worker.formats import sniff

JOB_SECONDS = 30.0  # files that are left then have no thumbnail
WALL_SECONDS = 30.0  # for one image; the child limits its CPU time to 10 s
# What the child decodes: other images have no thumbnail.
DECODED_TYPES = frozenset({"image/jpeg", "image/png", "image/webp"})
ORIGINAL_MAX_BYTES = 128 * 2**20  # a bucket's objects have to be fetched again
# By a platform that stops every process, or by the OOM killer; not by limits of the child.
KILLED_FROM_OUTSIDE = (-signal.SIGTERM, -signal.SIGKILL)

_ROOT = Path(__file__).parents[1]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    body: bytes
    width: int
    height: int

    def media_file(self, key: str) -> MediaFile:
        return MediaFile(
            key=key,
            content_type=THUMBNAIL_TYPE,
            bytes=len(self.body),
            sha256=hashlib.sha256(self.body).hexdigest(),
            width=self.width,
            height=self.height,
        )


def process_next(services: Services, stop: threading.Event) -> bool:
    """Make the thumbnails of the job that waits longest; return whether there was one.

    Another worker may have it; errors make it wait.
    """
    due = services.due.thumbnails.members_until(services.store.now(), limit=1)
    if not due or stop.is_set() or _is_anything_urgent(services):
        return False
    job_id = due[0]
    try:
        change = services.store.change(job_id, thumbnail_schedule.claim)
        job = change.after
        if job is None:
            services.due.thumbnails.remove(job_id)
        elif not change.written:
            services.due.thumbnails.schedule(job_id, job.thumbnails.due_at)
        elif job.thumbnails.due_at is None:
            log.warning("job %s: thumbnails given up", job_id)
        else:  # any of these steps may be the last
            is_done = _make_all(services, job, stop)
            sidecars.update(services.store, services.storage, job.id)
            end = thumbnail_schedule.finish if is_done else thumbnail_schedule.release
            services.store.change(job.id, end)
    except UnreadableRecord:
        services.due.thumbnails.remove(job_id)
    except (StorageError, OSError) as error:
        log.warning("job %s: thumbnails put off: %s", job_id, type(error).__name__)
        services.store.change(job_id, thumbnail_schedule.postpone)
    return True


def _is_anything_urgent(services: Services) -> bool:
    if services.store.most_urgent():
        return True
    return services.submission_queue.next(peek=True) is not None


def _make_all(services: Services, job: Job, stop: threading.Event) -> bool:
    """Make each missing thumbnail; False when a job came that is more urgent."""
    until = time.monotonic() + JOB_SECONDS
    is_first = True
    for original in job.present_media:
        if not _can_have_thumbnail(original):
            continue
        if not is_first and (stop.is_set() or _is_anything_urgent(services)):
            return False
        is_first = False
        if time.monotonic() >= until:
            continue
        with services.storage.local_copy(original.key) as path:
            thumbnail = make(path, original.content_type)
        if thumbnail:
            store(services, job.id, original, thumbnail)
        else:
            log.info("job %s: stored without a thumbnail of %s", job.id, original.key)
    return True


def _can_have_thumbnail(file: MediaFile) -> bool:
    """Whether a file is an image without a thumbnail, and not too large."""
    is_missing = file.is_image and file.thumbnail is None
    return is_missing and file.bytes <= ORIGINAL_MAX_BYTES


def store(services: Services, job_id: str, original: MediaFile, thumbnail: Thumbnail) -> None:
    """Write a thumbnail and record it; remove it again if the job was deleted meanwhile."""
    file = thumbnail.media_file(thumbnail_key(original.key))
    services.storage.write(file.key, thumbnail.body)
    change = services.store.change(
        job_id, lambda job, _now: thumbnail_schedule.add(job, original, file)
    )
    recorded_thumbnails = list[MediaFile | None]()
    if change.after is not None:
        recorded_thumbnails = [media_file.thumbnail for media_file in change.after.media]
    if file not in recorded_thumbnails:
        services.storage.delete(file.key)


def make(path: Path, content_type: str) -> Thumbnail | None:
    """Make a thumbnail; None for other formats, or (logged) where decoding fails or takes too long.

    Raises OSError when the original cannot be opened or the child was killed from outside.
    """
    if content_type not in DECODED_TYPES:
        return None
    command = [sys.executable, "-m", "worker.thumbnail_child", content_type]
    try:
        with path.open("rb") as original:
            child = subprocess.run(
                command,
                stdin=original,
                capture_output=True,
                check=False,
                timeout=WALL_SECONDS,
                cwd=_ROOT,
                env={},
            )
    except subprocess.TimeoutExpired:
        log.warning("no thumbnail of %s: it takes too long", path.name)
        return None
    if child.returncode in KILLED_FROM_OUTSIDE:
        raise InterruptedError
    if child.returncode:
        log.warning("no thumbnail of %s: %s", path.name, _why_it_failed(child))
        return None
    size = sniff.image_size(child.stdout, THUMBNAIL_TYPE)
    if size is None:
        return None
    width, height = size
    return Thumbnail(child.stdout, width, height)


def _why_it_failed(child: subprocess.CompletedProcess[bytes]) -> str:
    """The signal that ended the child, by its own limits or a fault; else what it says."""
    signal_name: str | None = None
    if child.returncode < 0:
        signal_name = signal.strsignal(-child.returncode)
    return signal_name or child.stderr.decode("ascii", errors="replace")
