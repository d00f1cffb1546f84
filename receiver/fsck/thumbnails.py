"""Each thumbnail on record: is it there as it was drawn? If not, it is drawn again."""

from collections.abc import Iterator
from functools import partial

from jobs import drawing, sidecars
from jobs.job import Job
from jobs.kept import Kept
from jobs.services import Services
from receiver.fsck.digest import sha256
from receiver.fsck.finding import Finding


def look(services: Services, job: Job, file: Kept, *, verify_bytes: bool) -> Iterator[Finding]:
    small = file.thumbnail
    if small and (said := _wrong(services, small, verify_bytes=verify_bytes)):
        yield Finding(small.key, said, partial(_draw_again, services, job.id, small))


def _wrong(services: Services, small: Kept, *, verify_bytes: bool) -> str:
    size = services.media.size(small.key)
    if size is None:
        return "is gone"
    if size != small.bytes:
        return f"has {size} bytes instead of {small.bytes}"
    if verify_bytes and sha256(services.media, small.key) != small.sha256:
        return "has other bytes than the ones that were drawn"
    return ""


def _draw_again(services: Services, job_id: str, small: Kept) -> bool:
    """Unless that was done, or its media were deleted, since it was looked at."""
    if not _wrong(services, small, verify_bytes=True):
        return False
    change = services.store.change(job_id, lambda job, now: job and drawing.lost(job, now, small))
    sidecars.keep_true(services.store, services.media, job_id)
    return change.written
