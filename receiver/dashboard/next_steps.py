"""Next steps of a job: sentences that say what happens to it next, and when."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from jobs.job import Job
from jobs.status import Status
from jobs.timeline import EventCode

Kind = Literal["step", "deadline"]


class NextStep(NamedTuple):
    """A sentence, and the unix time of what it announces."""

    text: str
    at: float | None = None
    kind: Kind = "step"


def next_steps(job: Job, json: Mapping[str, Any], now: float) -> list[NextStep]:
    """Derive the steps from the record; `json` is the public job, which also lists pauses."""
    if job.status.terminal:
        return list(_after_the_end(job))
    if job.status is Status.READY:
        return list(_rescue(job, now))
    if job.status is Status.QUEUED:
        return list(_submission(job, json, now))
    return list(_report(job, now))


def _rescue(job: Job, now: float) -> Iterator[NextStep]:
    if job.is_leased(now):
        yield NextStep("A worker is downloading the media")
    elif job.check.work_deadline is not None:
        yield NextStep("Waits for a worker to download the media")
    else:
        yield NextStep("The download is tried again", job.check.next_check_at)
    if job.delivery.expire_at is not None:
        yield NextStep("BFL's URL expires", job.delivery.expire_at, "deadline")


def _submission(job: Job, json: Mapping[str, Any], now: float) -> Iterator[NextStep]:
    submission = job.submission
    if submission.unconfirmed and submission.sent_at is None and not submission.is_queued:
        yield NextStep("BFL answered with an error; Fluxkeep waits for its callback")
        yield NextStep("Without a callback it is submitted again", job.check.next_check_at)
    elif job.is_leased(now) or submission.sent_at is not None:
        yield NextStep("A worker is submitting it to BFL")
    else:
        yield NextStep("Waits for a free slot at BFL")
        for event in json["timeline"]:
            if event["event"] == EventCode.SUBMISSION_PAUSED:
                yield NextStep(f"Submitting is paused: {event['detail']['reason']}")
    yield NextStep("If it is not submitted, it fails", job.deadline, "deadline")


def _report(job: Job, now: float) -> Iterator[NextStep]:
    if job.submission.unconfirmed:
        yield NextStep("BFL did not answer; only its callback can show whether it has the job")
    elif job.is_leased(now):
        yield NextStep("A worker is polling BFL")
    elif job.check.work_deadline is not None:
        yield NextStep("Waits for a worker to poll BFL")
    elif job.check.attempts:
        yield NextStep("Fluxkeep polls BFL again", job.check.next_check_at)
    else:
        yield NextStep("Waits for BFL's callback; Fluxkeep polls BFL", job.check.next_check_at)
    yield NextStep("Without a report the job is lost", job.deadline, "deadline")


def _after_the_end(job: Job) -> Iterator[NextStep]:
    if job.thumbnails.due_at is not None:
        yield NextStep("Its thumbnail is made when no other work waits")
    for notification in job.notifications.pending:
        again = "is notified again" if notification.attempts else "is notified"
        yield NextStep(f"{notification.to} {again}", notification.at)
