"""A finding of `repair`, and what mends it."""

from collections.abc import Callable
from typing import NamedTuple


class Finding(NamedTuple):
    """An inconsistency between records, indexes and storage.

    The subject is a job, a task or an object. `repair` checks again before it changes anything,
    and returns False if the problem is gone; None where a person must decide.
    """

    subject: str
    problem: str
    repair: Callable[[], bool] | None = None
