"""Result of a check: grade, reason and remedy."""

from enum import StrEnum
from typing import NamedTuple


class Grade(StrEnum):
    """A failure: work stops or is lost. A warning: work could stop or be lost."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


class Result(NamedTuple):
    """Result of one check, without any secret.

    `public_why` is for `/readyz`: the reason without names of API keys, if `why` has such names.
    """

    name: str
    grade: Grade
    why: str
    remedy: str = ""
    public_why: str = ""

    @property
    def ok(self) -> bool:
        return self.grade is not Grade.FAILED

    @property
    def reason_for_strangers(self) -> str:
        """The reason for callers who may not learn the names of API keys."""
        if self.public_why:
            return self.public_why
        return self.why


def ok(name: str, why: str) -> Result:
    return Result(name, Grade.OK, why)


def warning(name: str, why: str, remedy: str) -> Result:
    return Result(name, Grade.WARNING, why, remedy)


def failed(name: str, why: str, remedy: str) -> Result:
    return Result(name, Grade.FAILED, why, remedy)
