"""URIs of jobs and their media, as agents name them: `fluxkeep://jobs/<id>/media/<n>`."""

import re
from typing import NamedTuple, Self

from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile

_JOB_URI = re.compile(
    r"fluxkeep://jobs/(?P<job_id>[A-Za-z0-9_-]{1,128})(?:/media/(?P<position>[0-9]{1,3}))?"
)
_ANY_URI = re.compile(r"fluxkeep://\S*")


class JobUri(NamedTuple):
    """A job, or one of its files."""

    job_id: str
    position: int | None = None  # of the file in `media`, from 0; None: the job

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None if the text is no such URI."""
        match = _JOB_URI.fullmatch(text)
        if match is None:
            return None
        if match["position"] is None:
            return cls(match["job_id"])
        return cls(match["job_id"], int(match["position"]))

    def __str__(self) -> str:
        if self.position is None:
            return f"fluxkeep://jobs/{self.job_id}"
        return f"fluxkeep://jobs/{self.job_id}/media/{self.position}"


def present_file(job: Job, position: int) -> MediaFile | None:
    """The file at a position of `media`; None if the job has no such file, or it was deleted."""
    if position >= len(job.media):
        return None
    file = job.media[position]
    if file.deleted_at is not None:
        return None
    return file


def is_uri(text: str) -> bool:
    """Whether a text is a URI of ours, though perhaps not of a job."""
    return _ANY_URI.fullmatch(text) is not None
