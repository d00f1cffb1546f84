"""Which changes of a record its user could see, and how they are announced."""

from collections.abc import Iterator
from dataclasses import fields
from operator import attrgetter
from typing import Any

from jobs.job import Job
from jobs.record import PARTS
from jobs.store.keys import EVENTS

# Some megabytes at most, and hours of an ordinary day: so long can a watcher be away.
EVENTS_MAX = 20_000
DELETED = "forgotten"  # in the place of a state
ID, STATUS = "id", "status"

_public = attrgetter(*(one.name for one in fields(Job) if one.name not in PARTS))

Command = tuple[Any, ...]


def announcement(before: Job | None, after: Job) -> Iterator[Command]:
    """The command that tells those who watch, if there is something to be seen."""
    if before is None or _public(before) != _public(after):
        yield _told(after.id, after.status)


def deletion_event(job_id: str) -> Command:
    """The command that tells them that a job is no more."""
    return _told(job_id, DELETED)


def _told(job_id: str, state: str) -> Command:
    return "XADD", EVENTS, "MAXLEN", "~", EVENTS_MAX, "*", ID, job_id, STATUS, state
