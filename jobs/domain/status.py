"""Statuses of a job, and the table of transitions by reports."""

from enum import StrEnum


class Status(StrEnum):
    """Status of a job. The last five are terminal."""

    QUEUED = "queued"
    SUBMITTED = "submitted"
    READY = "ready"
    STORED = "stored"
    MODERATED = "moderated"
    FAILED = "failed"
    EXPIRED = "expired"
    LOST = "lost"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


class ReportKind(StrEnum):
    """Kind of a report, translated from BFL's status."""

    PROGRESS = "progress"
    UNCLEAR = "unclear"  # "Ready" without a URL
    READY = "ready"
    MODERATED = "moderated"
    FAILED = "failed"


class Source(StrEnum):
    """Source of a report."""

    CALLBACK = "callback"
    POLL = "poll"
    REPLAY = "replay"


TERMINAL = frozenset({Status.STORED, Status.MODERATED, Status.FAILED, Status.EXPIRED, Status.LOST})
REPLAYABLE = frozenset({Status.FAILED, Status.EXPIRED, Status.LOST})

# Every pair that is not listed changes nothing. I5: no row starts from a terminal status.
TRANSITIONS: dict[tuple[Status, ReportKind], Status] = {
    # A report about a queued job is real: BFL can call before its answer to the submission is
    # on record.
    (Status.QUEUED, ReportKind.PROGRESS): Status.SUBMITTED,
    (Status.QUEUED, ReportKind.UNCLEAR): Status.SUBMITTED,
    (Status.QUEUED, ReportKind.READY): Status.READY,
    (Status.QUEUED, ReportKind.MODERATED): Status.MODERATED,
    (Status.QUEUED, ReportKind.FAILED): Status.FAILED,
    (Status.SUBMITTED, ReportKind.PROGRESS): Status.SUBMITTED,
    (Status.SUBMITTED, ReportKind.UNCLEAR): Status.SUBMITTED,  # polled at once
    (Status.SUBMITTED, ReportKind.READY): Status.READY,
    (Status.SUBMITTED, ReportKind.MODERATED): Status.MODERATED,
    (Status.SUBMITTED, ReportKind.FAILED): Status.FAILED,
    (Status.READY, ReportKind.READY): Status.READY,  # only if its URLs expire later
    # (READY, FAILED) is left out: BFL gave URLs, and it is polled again once they expire.
}
