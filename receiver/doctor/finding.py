"""What the doctor says of one part."""

from enum import StrEnum
from typing import NamedTuple


class Grade(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


class Finding(NamedTuple):
    """A part, what was found, and what to do about it; no secret is ever in it."""

    grade: Grade
    part: str
    said: str
    remedy: str = ""


def ok(part: str, said: str) -> Finding:
    return Finding(Grade.OK, part, said)


def warning(part: str, said: str, remedy: str) -> Finding:
    return Finding(Grade.WARNING, part, said, remedy)


def failed(part: str, said: str, remedy: str) -> Finding:
    return Finding(Grade.FAILED, part, said, remedy)
