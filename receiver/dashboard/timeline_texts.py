"""Words for the events of a timeline, those of docs/api.md; the API has their codes."""

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2.filters import do_filesizeformat

from jobs.domain.timeline import EventCode

TEXTS = {
    EventCode.JOB_ANNOUNCED: "Announced by its caller",
    EventCode.JOB_STORED: "Media stored",
    EventCode.JOB_EXPIRED: "URL expired",
    EventCode.JOB_GIVEN_UP: "Given up",
    EventCode.JOB_REPLAYED: "Replay requested",
    EventCode.SUBMISSION_QUEUED: "Queued",
    EventCode.SUBMISSION_DRAFT_REFERENCED: "Uses a stored draft",
    EventCode.SUBMISSION_PAUSED: "Submitting is paused",
    EventCode.SUBMISSION_OVER_BUDGET: "Waits until its key's budget has room",
    EventCode.SUBMISSION_SENT: "Sent to BFL",
    EventCode.SUBMISSION_ACCEPTED: "BFL accepted it",
    EventCode.SUBMISSION_REFUSED: "BFL refused it",
    EventCode.SUBMISSION_UNCONFIRMED: "BFL did not confirm it",
    EventCode.SUBMISSION_DUPLICATED: "BFL has a duplicate task",
    EventCode.SUBMISSION_REQUEUED: "Queued again",
    EventCode.SUBMISSION_RETRIED: "Sent again without a callback",
    EventCode.SUBMISSION_REPLAYED: "Submitted again by an operator",
    EventCode.CALLBACK_ACCEPTED: "Callback accepted",
    EventCode.CALLBACK_REFUSED: "Callback refused",
    EventCode.CALLBACK_LATE: "Callback after the job had ended",
    EventCode.POLL_ANSWERED: "BFL answered a poll",
    EventCode.POLL_RETRIED: "Poll without a final answer",
    EventCode.RESCUE_RETRIED: "Rescue failed, to be retried",
    EventCode.RESCUE_REFUSED: "Media refused",
    EventCode.RESCUE_RECOVERED: "Media recovered from the storage",
    EventCode.RESCUE_FILE_SKIPPED: "File skipped",
    EventCode.RESULT_TRUNCATED: "Too many files, some skipped",
    EventCode.WORKER_FAILED: "Unexpected error of a worker",
    EventCode.MEDIA_DELETED: "Media deleted",
    EventCode.MEDIA_MISSING: "Media missing from the storage",
    EventCode.MEDIA_FOUND: "Media found in the storage again",
    EventCode.NOTIFICATION_DELIVERED: "Notification delivered",
    EventCode.NOTIFICATION_RETRIED: "Notification failed, to be retried",
    EventCode.NOTIFICATION_ABANDONED: "Notification given up",
}
SELF_EXPLANATORY = ("answer", "code", "error", "reason", "status", "to")


def event_text(code: str) -> str:
    return TEXTS[EventCode(code)]


def event_details(detail: Mapping[str, Any]) -> Iterator[str]:
    """`wrong secret`, `36.1 kB`, `file: 2`."""
    for name, value in detail.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        if name == "bytes":
            yield do_filesizeformat(value)
        else:
            yield text if name in SELF_EXPLANATORY else f"{name.replace('_', ' ')}: {text}"
