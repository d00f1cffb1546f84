"""Next steps of a job: sentences that say what happens to it next, and when."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.domain.timeline import EventCode

Kind = Literal["step", "deadline"]


class NextStep(NamedTuple):
    """A sentence, and the unix time of what it announces."""

    text: str
    at: float | None = None
    kind: Kind = "step"


def next_steps(job: Job, json: Mapping[str, Any]) -> Iterator[NextStep]:
    """Derive the steps from the record; `json` is the public job, which also lists pauses."""
    if job.status is Status.QUEUED:
        awaited = "until the budget of its key has room" if job.submission.awaits_budget else ""
        yield NextStep(f"Waits {awaited or 'to be submitted to BFL'}")
        for event in json["timeline"]:
            if event["event"] == EventCode.SUBMISSION_PAUSED:
                yield NextStep(f"Submitting is paused: {event['detail']['reason']}")
        yield NextStep("If it is not submitted, it fails", job.deadline, "deadline")
    elif job.status is Status.SUBMITTED:
        if job.submission.unconfirmed:
            yield NextStep("BFL did not answer; only its callback can show whether it has the job")
        else:
            yield NextStep(
                "Waits for BFL's callback; Fluxkeep polls BFL", job.polling.next_check_at
            )
        yield NextStep("Without a report the job is lost", job.deadline, "deadline")
    elif job.status is Status.READY:
        yield NextStep("The media are downloaded")
        yield NextStep("BFL's URL expires", job.delivery.expire_at, "deadline")
    elif job.thumbnails.due_at is not None:
        yield NextStep("Its thumbnail is made when no other work waits")
    for notification in job.notifications.pending:
        again = "is notified again" if notification.attempts else "is notified"
        yield NextStep(f"{notification.recipient} {again}", notification.at)
