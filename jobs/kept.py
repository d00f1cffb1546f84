"""A file that is ours."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Its key in the storage and what is known of its bytes."""

    key: str
    content_type: str
    bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None
    deleted_at: float | None = None  # since when it is known to be gone
