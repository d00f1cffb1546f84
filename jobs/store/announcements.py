"""Which changes of a record its user could see, and how they are announced."""

from collections.abc import Iterator
from dataclasses import fields
from operator import attrgetter
from typing import Any

from jobs.job import Job
from jobs.store.keys import EVENTS

# Some megabytes at most, and hours of an ordinary day: so long can a watcher be away.
EVENTS_MAX = 20_000
DELETED = "forgotten"  # in the place of a state
ID, STATUS = "id", "status"

# What no user sees. A field that is new is announced until it is named here: rather once too often.
_HIDDEN = frozenset(
    {"notify_url", "polling_url", "megapixels", "urls", "expire_at", "ready_at", "refreshed"}
    | {
        "replaying",
        "is_submission",
        "region",
        "origin",
        "is_queued",
        "slot",
        "sent_at",
        "requeued_at",
        "input_bytes",
        "unconfirmed",
        "submissions",
        "request",
        "caller",
    }
    | {
        "base_url",
        "notices",
        "thumbnails_due_at",
        "thumbnail_attempts",
        "attempts",
        "next_check_at",
        "work_deadline",
        "lease_until",
        "fencing_token",
    }
    | {"version"}
)
_seen = attrgetter(*(one.name for one in fields(Job) if one.name not in _HIDDEN))

Command = tuple[Any, ...]


def announcement(before: Job | None, after: Job) -> Iterator[Command]:
    """The command that tells those who watch, if there is something to be seen."""
    if before is None or _seen(before) != _seen(after):
        yield _told(after.id, after.status)


def deletion_event(job_id: str) -> Command:
    """The command that tells them that a job is no more."""
    return _told(job_id, DELETED)


def _told(job_id: str, state: str) -> Command:
    return "XADD", EVENTS, "MAXLEN", "~", EVENTS_MAX, "*", ID, job_id, STATUS, state
