"""Finding: an inconsistency between records, indexes and storage."""

from collections.abc import Callable
from typing import NamedTuple


class Finding(NamedTuple):
    """Subject (a job, a task or an object), problem, and the repair if there is one.

    `repair` checks again before it changes anything, and returns False if the problem is gone.
    """

    subject: str
    problem: str
    repair: Callable[[], bool] | None = None
