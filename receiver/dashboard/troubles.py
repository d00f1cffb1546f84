"""What needs an operator, in sentences: what is wrong, and what to do about it."""

from collections.abc import Iterator
from typing import NamedTuple

from jobs import account
from jobs.slots import EVERYTHING, Pause
from receiver.dashboard.filters import span
from receiver.dashboard.vitals import Vitals
from receiver.health import SWEEP_SILENT_SECONDS, WORKER_SILENT_SECONDS

CLOSE_SECONDS = 60.0
PROCESSES = {
    "sweep": (SWEEP_SILENT_SECONDS, "Nobody polls, retries or notices deadlines."),
    "worker": (WORKER_SILENT_SECONDS, "Nothing is fetched or submitted."),
}


class Trouble(NamedTuple):
    """Something that is wrong now."""

    said: str
    remedy: str


def of(vitals: Vitals) -> list[Trouble]:
    """The gravest first."""
    return [
        *_silent(vitals),
        *_storage(vitals),
        *_at_risk(vitals),
        *_overdue(vitals),
        *_paused(vitals),
    ]


def _silent(vitals: Vitals) -> Iterator[Trouble]:
    for name, (most, meaning) in PROCESSES.items():
        age = vitals.seen.get(name)
        if age is None:
            yield Trouble(f"No {name} has ever been seen", f"{meaning} Start one.")
        elif age > most:
            remedy = f"{meaning} Restart it."
            yield Trouble(f"The {name} was last seen {span(age)} ago", remedy)


def _storage(vitals: Vitals) -> Iterator[Trouble]:
    if vitals.storage_trouble:
        remedy = "Jobs wait for it as long as their URLs live. See to MEDIA_URL."
        yield Trouble(f"The storage refuses: {vitals.storage_trouble}", remedy)


def _at_risk(vitals: Vitals) -> Iterator[Trouble]:
    close = [job for job in vitals.at_risk if (job.urls_die_at or 0) - vitals.at < CLOSE_SECONDS]
    if close:
        many = "1 job is" if len(close) == 1 else f"{len(close)} jobs are"
        remedy = "Look at them below; another worker fetches more at once."
        yield Trouble(f"{many} about to lose the media", remedy)


def _overdue(vitals: Vitals) -> Iterator[Trouble]:
    if number := vitals.tally.overdue:
        many = "1 job waits" if number == 1 else f"{number:,} jobs wait"
        remedy = "It is not running, or it cannot keep up; a second one may help."
        yield Trouble(f"{many} for the sweep", remedy)


def _paused(vitals: Vitals) -> Iterator[Trouble]:
    """A model that is busy is no trouble, nor is a pause that nobody waits behind."""
    for pause in vitals.pauses if vitals.crowd.waiting else ():
        if pause.scope == EVERYTHING or pause.reason in account.REASONS.values():
            yield Trouble(f"Submitting is paused: {pause.reason}", _way_out(pause))


def _way_out(pause: Pause) -> str:
    if pause.reason in account.REASONS.values():
        return "See to your account at BFL. It goes on by itself: one job a minute is tried."
    return "It goes on by itself: one job is tried when the pause is over."
