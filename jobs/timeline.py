"""What happened to a job, line by line, bounded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TIMELINE_MAX = 50
TIMELINE_HEAD = 10  # how it began stays readable however much follows


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """A line of the timeline."""

    at: float
    what: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def extended(lines: tuple[TimelineEvent, ...], moment: TimelineEvent) -> tuple[TimelineEvent, ...]:
    """The timeline with one more line; the very same object when that would repeat the last."""
    last = lines[-1] if lines else None
    if last and (last.what, last.detail) == (moment.what, moment.detail):
        return lines
    longer = (*lines, moment)
    if len(longer) <= TIMELINE_MAX:
        return longer
    return (*longer[:TIMELINE_HEAD], *longer[TIMELINE_HEAD - TIMELINE_MAX :])
