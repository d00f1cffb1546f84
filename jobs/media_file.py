"""A file that is ours."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The place of a file in its result."""

    SAMPLE = "sample"
    DRAFT_CACHE = "draft_cache"
    OTHER = "other"  # a signed URL in a place that BFL's docs do not name


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """Its key in the storage and what is known of its bytes."""

    key: str
    content_type: str
    bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None  # a film's duration
    role: Role = Role.SAMPLE
    thumbnail: "MediaFile | None" = None
    deleted_at: float | None = None  # since when it is known to be gone

    @property
    def is_picture(self) -> bool:
        return self.content_type.startswith("image/")
