"""What happens to a job next, and when."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from jobs.job import Job
from jobs.status import Status
from jobs.timeline import EventCode

Weight = Literal["next", "limit"]


class Prospect(NamedTuple):
    """A sentence, and the time it is about; a `limit` is what must not be reached."""

    text: str
    at: float | None = None
    weight: Weight = "next"


def outlook(job: Job, shown: Mapping[str, Any], now: float) -> list[Prospect]:
    """By the record alone; `shown` is its JSON, which tells of pauses too."""
    if job.status.terminal:
        return list(_afterwards(job))
    if job.status is Status.READY:
        return [*_rescue(job, now), *_death(job)]
    if job.status is Status.QUEUED:
        return [*_submission(job, shown, now)]
    return [*_answer(job, now), Prospect("Given up as lost", job.deadline, "limit")]


def _rescue(job: Job, now: float) -> Iterator[Prospect]:
    if job.is_leased(now):
        yield Prospect("A worker is fetching the media")
    elif job.check.work_deadline is not None:
        yield Prospect("Waits for a worker to fetch the media")
    else:
        yield Prospect("Tried again", job.check.next_check_at)


def _death(job: Job) -> Iterator[Prospect]:
    if job.delivery.expire_at is not None:
        yield Prospect("BFL's URL dies", job.delivery.expire_at, "limit")


def _submission(job: Job, shown: Mapping[str, Any], now: float) -> Iterator[Prospect]:
    if (
        job.submission.unconfirmed
        and job.submission.sent_at is None
        and not job.submission.is_queued
    ):
        yield Prospect("BFL answered with an error; its callback is awaited")
        yield Prospect("Submitted again without one", job.check.next_check_at)
    elif job.is_leased(now) or job.submission.sent_at is not None:
        yield Prospect("Being submitted to BFL")
    else:
        yield Prospect("Waits in line for a slot at BFL")
        yield from (Prospect(f"Submitting is paused: {why}") for why in _pauses(shown))
    yield Prospect("Given up", job.deadline, "limit")


def _pauses(shown: Mapping[str, Any]) -> list[str]:
    lines = shown["timeline"]
    return [
        line["detail"]["reason"] for line in lines if line["event"] == EventCode.SUBMISSION_PAUSED
    ]


def _answer(job: Job, now: float) -> Iterator[Prospect]:
    if job.submission.unconfirmed:
        yield Prospect("BFL did not answer; only its callback can tell whether it has the job")
    elif job.is_leased(now):
        yield Prospect("BFL is being asked")
    elif job.check.work_deadline is not None:
        yield Prospect("Waits for a worker to ask BFL")
    elif job.check.attempts:
        yield Prospect("BFL is asked again", job.check.next_check_at)
    else:
        yield Prospect("BFL's callback is awaited; it is asked", job.check.next_check_at)


def _afterwards(job: Job) -> Iterator[Prospect]:
    if job.thumbnails.due_at is not None:
        yield Prospect("Its thumbnail is drawn once nothing else waits")
    for notice in job.notifications.pending:
        again = "told again" if notice.attempts else "told"
        yield Prospect(f"{notice.to} is {again}", notice.at)
