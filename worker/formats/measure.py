"""What is known about a file besides its type: its size in pixels, and how long a film lasts."""

from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

from jobs.storage.base import OPAQUE
from worker.formats import image, mp4


@dataclass(frozen=True, slots=True)
class JobRecord:
    """None for what a file does not tell."""

    width: int | None = None
    height: int | None = None
    seconds: float | None = None


NOTHING = JobRecord()


def known(path: Path, content_type: str) -> JobRecord:
    """By the headers alone, in bounded work, whatever they say; never an error."""
    try:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            return _read(data, content_type)
    except (OSError, ValueError):  # mmap calls an empty file a wrong value
        return NOTHING


def _read(data: mmap, content_type: str) -> JobRecord:
    if content_type == OPAQUE:
        return NOTHING
    if content_type == "video/mp4":
        width, height = mp4.size(data) or (None, None)
        return JobRecord(width, height, mp4.seconds(data))
    width, height = image.size(data, content_type) or (None, None)
    return JobRecord(width, height)
