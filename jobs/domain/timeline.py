"""Timeline of a job: bounded list of events, each with a stable code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

TIMELINE_MAX = 50
TIMELINE_HEAD = 10  # the first events stay readable however many follow


class EventCode(StrEnum):
    """Codes of timeline events; docs/api.md explains each."""

    JOB_ANNOUNCED = "job.announced"
    JOB_STORED = "job.stored"
    JOB_EXPIRED = "job.expired"
    JOB_GIVEN_UP = "job.given_up"
    JOB_REPLAYED = "job.replayed"
    SUBMISSION_QUEUED = "submission.queued"
    SUBMISSION_DRAFT_REFERENCED = "submission.draft_referenced"
    SUBMISSION_OVER_BUDGET = "submission.over_budget"
    SUBMISSION_PAUSED = "submission.paused"
    SUBMISSION_SENT = "submission.sent"
    SUBMISSION_ACCEPTED = "submission.accepted"
    SUBMISSION_REFUSED = "submission.refused"
    SUBMISSION_UNCONFIRMED = "submission.unconfirmed"
    SUBMISSION_DUPLICATED = "submission.duplicated"
    SUBMISSION_REQUEUED = "submission.requeued"
    SUBMISSION_RETRIED = "submission.retried"
    SUBMISSION_REPLAYED = "submission.replayed"
    CALLBACK_ACCEPTED = "callback.accepted"
    CALLBACK_REFUSED = "callback.refused"
    CALLBACK_LATE = "callback.late"
    POLL_ANSWERED = "poll.answered"
    POLL_RETRIED = "poll.retried"
    RESCUE_RETRIED = "rescue.retried"
    RESCUE_REFUSED = "rescue.refused"
    RESCUE_RECOVERED = "rescue.recovered"
    RESCUE_FILE_SKIPPED = "rescue.file_skipped"
    RESCUE_FILE_DOUBTED = "rescue.file_doubted"
    RESULT_TRUNCATED = "result.truncated"
    WORKER_FAILED = "worker.failed"
    MEDIA_DELETED = "media.deleted"
    MEDIA_MISSING = "media.missing"
    MEDIA_FOUND = "media.found"
    NOTIFICATION_DELIVERED = "notification.delivered"
    NOTIFICATION_RETRIED = "notification.retried"
    NOTIFICATION_ABANDONED = "notification.abandoned"
    NOTIFICATION_REPEATED = "notification.repeated"


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event: unix time, code, and JSON details."""

    at: float
    event: EventCode
    detail: Mapping[str, Any] = field(default_factory=dict)
