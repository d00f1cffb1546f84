"""Files that are in the storage and on no record: what is known of them, read from their bytes."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs import recollection
from jobs.complaint import refusals
from jobs.errors import NotMedia
from jobs.job import Job
from jobs.kept import Kept, Role
from jobs.media import MediaStore
from worker import facts, magic
from worker.fetch import Download


def left_behind(media: MediaStore, job: Job, n: int) -> Kept | None:
    """A file that a worker published just before it was killed; None when it has to be fetched.

    It was verified and is whole, or it were not there; but a bucket has other visitors too.
    """
    found = media.existing(job.id, job.created_at, n)
    if found is None:
        return None
    key, content_type = found
    with local_copy(media, job, key) as path:
        if not _is_sound(path, content_type):
            return None
        got = Download(content_type, path.stat().st_size, _sha256(path))
        return kept(key, path, got, job.role(n))


def kept_before(media: MediaStore, job: Job) -> tuple[Kept, ...]:
    """What the job had stored before Redis was lost, if the whole of it is still there."""
    found = media.existing(job.id, job.created_at, 0)
    known = recollection.beside(media, found[0]) if found else None
    if known is None or not all(is_same(media, file) for file in known.kept):
        return ()
    return known.media


def is_same(media: MediaStore, wanted: Kept) -> bool:
    """Whether the object in the place of this file has the very bytes of it."""
    if media.size(wanted.key) != wanted.bytes:
        return False
    digest = hashlib.sha256()
    for chunk in media.read(wanted.key):
        digest.update(chunk)
    return digest.hexdigest() == wanted.sha256


def kept(key: str, path: Path, got: Download, role: Role) -> Kept:
    known = facts.known(path, got.content_type)
    return Kept(
        key=key,
        content_type=got.content_type,
        bytes=got.bytes,
        sha256=got.sha256,
        width=known.width,
        height=known.height,
        seconds=known.seconds,
        role=role,
    )


@contextmanager
def local_copy(media: MediaStore, job: Job, key: str) -> Iterator[Path]:
    """An object as a file of this machine."""
    if path := media.local_path(key):
        yield path
        return
    with media.staging(job.id) as copy:
        with refusals(), copy.open("xb") as file:
            file.writelines(media.read(key))
        yield copy


def _is_sound(path: Path, content_type: str) -> bool:
    with refusals(), path.open("rb") as file:
        head = file.read(magic.HEAD_BYTES)
    try:
        return magic.content_type(head) == content_type and magic.is_whole(path, content_type)
    except NotMedia:
        return False


def _sha256(path: Path) -> str:
    with refusals(), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
