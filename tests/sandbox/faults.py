"""Which of the faults that a task has ordered comes next."""

from collections.abc import Iterable


def nth_fault(ordered: Iterable[tuple[str, int]], n: int) -> str | None:
    """Faults follow each other: the first one its number of times, then the second, then none."""
    for name, times in ordered:
        if n < times:
            return name
        n -= times
    return None
