"""Result of a check: grade, reason and remedy."""

from enum import StrEnum
from typing import NamedTuple


class Grade(StrEnum):
    """A failure means that work stops or is lost; a warning, that it could."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


class Result(NamedTuple):
    """One line of the list, without any secret."""

    name: str
    grade: Grade
    why: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        return self.grade is not Grade.FAILED


def ok(name: str, why: str) -> Result:
    return Result(name, Grade.OK, why)


def warning(name: str, why: str, remedy: str) -> Result:
    return Result(name, Grade.WARNING, why, remedy)


def failed(name: str, why: str, remedy: str) -> Result:
    return Result(name, Grade.FAILED, why, remedy)
