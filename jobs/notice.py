"""Telling of a job's end: the pure steps, at BFL's own pace for its clients and for a day else."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from jobs.job import Job
from jobs.target import Notice, Target

SENDING_SECONDS = 30.0  # whoever sends has it for so long; then it counts as not sent
# BFL answers what a webhook did not take with another call after 1, 5 and 30 s.
BFL_PAUSES_SECONDS = (1.0, 5.0, 30.0)
PAUSES_SECONDS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0)  # the last repeats
GIVE_UP_AFTER_SECONDS = 86400.0
RETRY_AFTER_MAX_SECONDS = 3600.0  # a receiver may ask for patience, but not for ever


class Outcome(NamedTuple):
    """What came of one try: nothing was wrong, or something was, perhaps for good."""

    problem: str = ""
    final: bool = False
    retry_after: float = 0.0


def owed(before: Job | None, after: Job, now: float, *, owner: bool) -> Job:
    """A job that has just ended, with a notice for each who wants to hear of it.

    Who says only afterwards where to be told is told then; a job that works again has not ended.
    """
    if not after.state.terminal:
        return replace(after, notices=()) if after.notices else after
    new = [Notice(to, now, now) for to in _wanting(before, after, owner=owner)]
    kept = [notice for notice in after.notices if notice.to not in {one.to for one in new}]
    return replace(after, notices=(*kept, *new)) if new else after


def _wanting(before: Job | None, after: Job, *, owner: bool) -> Iterator[Target]:
    if before is None or not before.state.terminal:
        if after.caller:
            yield Target.CALLER
        if after.notify_url:
            yield Target.APP
        if owner:
            yield Target.OWNER
    elif after.notify_url and after.notify_url != before.notify_url:
        yield Target.APP


def telling(job: Job, to: Target, now: float) -> Job:
    """Taken by one sender; the others see that it is not due any more."""
    notice = owed_to(job, to)
    if notice is None or notice.at > now:
        return job
    return _with(job, replace(notice, at=now + SENDING_SECONDS, tries=notice.tries + 1))


def owed_to(job: Job, to: Target) -> Notice | None:
    return next((notice for notice in job.notices if notice.to is to), None)


def answered(job: Job, sent: Notice, outcome: Outcome, now: float, jitter: float) -> Job:
    """Told, to be told again after a pause, or given up where that can be seen."""
    notice = owed_to(job, sent.to)
    # Another sender was quicker, or the job was replayed and this end of it is history.
    if notice is None or notice.since != sent.since:
        return job
    if not outcome.problem:
        return _without(job, notice).noted(now, "webhook called", to=notice.to.value)
    at = None if outcome.final else _next_try(notice, outcome, now, jitter)
    if at is None:
        return _said(_without(job, notice), now, "webhook given up", notice, outcome)
    again = _with(job, replace(notice, at=at))
    return _said(again, now, "webhook not reached", notice, outcome)


def _next_try(notice: Notice, outcome: Outcome, now: float, jitter: float) -> float | None:
    """Jittered, so that those who failed together do not come back together."""
    if notice.to is Target.CALLER:
        late = notice.tries > len(BFL_PAUSES_SECONDS)
        return None if late else now + BFL_PAUSES_SECONDS[notice.tries - 1]
    until = notice.since + GIVE_UP_AFTER_SECONDS
    if now >= until:
        return None
    pause = PAUSES_SECONDS[min(notice.tries, len(PAUSES_SECONDS)) - 1] * jitter
    asked = min(outcome.retry_after, RETRY_AFTER_MAX_SECONDS)
    return min(now + max(pause, asked), until)


def _said(job: Job, now: float, what: str, notice: Notice, outcome: Outcome) -> Job:
    """Not again what was the last that is known of this target: a day has many tries."""
    detail: dict[str, Any] = {"to": notice.to.value, "reason": outcome.problem}
    lines = (line for line in reversed(job.timeline) if line.detail.get("to") == notice.to)
    last = next(lines, None)
    if last and (last.what, last.detail) == (what, detail):
        return job
    return job.noted(now, what, **detail)


def _with(job: Job, notice: Notice) -> Job:
    notices = tuple(notice if one.to is notice.to else one for one in job.notices)
    return replace(job, notices=notices)


def _without(job: Job, notice: Notice) -> Job:
    return replace(job, notices=tuple(one for one in job.notices if one.to is not notice.to))
