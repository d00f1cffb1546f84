"""Which changes of a record its user could see, and how they are announced."""

from collections.abc import Iterator
from dataclasses import fields
from operator import attrgetter
from typing import Any

from jobs.job import Job
from jobs.store.keys import EVENTS

# Some megabytes at most, and hours of an ordinary day: so long can a watcher be away.
ANNOUNCED_MAX = 20_000
FORGOTTEN = "forgotten"  # in the place of a state
ID, STATE = "id", "state"

# What no user sees. A field that is new is announced until it is named here: rather once too often.
_HIDDEN = frozenset(
    {"notify_url", "polling_url", "megapixels", "urls", "urls_die_at", "ready_at", "asked_again"}
    | {
        "replaying",
        "ours",
        "region",
        "origin",
        "waits",
        "slot",
        "sent_at",
        "behind",
        "input_bytes",
        "unconfirmed",
        "resubmits",
        "request",
        "caller",
    }
    | {
        "reached_at",
        "notices",
        "draw_at",
        "drawn",
        "tries",
        "look_at",
        "wanted",
        "lease_until",
        "fence",
    }
    | {"version", "unknown"}
)
_seen = attrgetter(*(one.name for one in fields(Job) if one.name not in _HIDDEN))

Command = tuple[Any, ...]


def announcement(before: Job | None, after: Job) -> Iterator[Command]:
    """The command that tells those who watch, if there is something to be seen."""
    if before is None or _seen(before) != _seen(after):
        yield _told(after.id, after.state)


def farewell(job_id: str) -> Command:
    """The command that tells them that a job is no more."""
    return _told(job_id, FORGOTTEN)


def _told(job_id: str, state: str) -> Command:
    return "XADD", EVENTS, "MAXLEN", "~", ANNOUNCED_MAX, "*", ID, job_id, STATE, state
