"""A disagreement between records, indexes and storage."""

from collections.abc import Callable
from typing import NamedTuple


class Finding(NamedTuple):
    """The subject (a job, a task or an object), the problem, and its repair where there is one.

    `repair` checks again before it changes anything. It returns False when nothing was wrong any
    more.
    """

    subject: str
    problem: str
    repair: Callable[[], bool] | None = None
