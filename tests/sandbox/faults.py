"""Sequence of the faults that a task asks for."""

from collections.abc import Iterable


def nth_fault(ordered: Iterable[tuple[str, int]], n: int) -> str | None:
    """Return the n-th fault: each occurs its number of times, in order; then None."""
    for name, times in ordered:
        if n < times:
            return name
        n -= times
    return None
