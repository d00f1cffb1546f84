"""The files of one rescue: which are published, and which are left out and why."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from jobs.domain.errors import ErrorCode, MediaRefused, TransferFailed, UnknownHost, UrlExpired
from jobs.domain.job import Job
from jobs.domain.record import MediaFile
from jobs.domain.report import Role
from jobs.domain.timeline import EventCode
from worker import download
from worker.formats import sniff

FileError = TransferFailed | MediaRefused | UrlExpired


def is_final(error: FileError, role: Role) -> bool:
    """Whether another attempt at this file has the same end.

    A fresh URL is requested for samples and bundles only.
    """
    if isinstance(error, UrlExpired | UnknownHost):
        return role is Role.OTHER
    return isinstance(error, MediaRefused)


@dataclass
class RescuedFiles:
    """The files of a job by their numbers: published, or left out with an error code."""

    published: dict[int, MediaFile] = field(default_factory=dict)
    left_out: dict[int, ErrorCode] = field(default_factory=dict)

    @property
    def media(self) -> tuple[MediaFile, ...]:
        return tuple(self.published[n] for n in sorted(self.published))

    def store(self, job: Job, now: float) -> Job:
        """The job with these files as its media."""
        for n, code in self.left_out.items():
            job = job.with_event(
                now, EventCode.RESCUE_FILE_SKIPPED, file=n, role=job.role(n), reason=code
            )
        return job.stored(now, self.media, tuple(self.left_out))


class RescueOutcome(NamedTuple):
    """A job before and after its files were stored, and its sidecar."""

    before: Job
    after: Job
    sidecar: bytes


def describe_file(key: str, path: Path, downloaded: download.Download, role: Role) -> MediaFile:
    """A verified file under its object key, with its size in pixels and seconds."""
    dimensions = sniff.dimensions(path, downloaded.content_type)
    return MediaFile(
        key=key,
        content_type=downloaded.content_type,
        bytes=downloaded.bytes,
        sha256=downloaded.sha256,
        role=role,
        **dimensions._asdict(),
    )
