"""The states of a job and the one table that says which report moves it where."""

from enum import StrEnum


class Status(StrEnum):
    """Where a job stands. The last five are terminal."""

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
    """What a report says, in our words."""

    PROGRESS = "progress"
    UNCLEAR = "unclear"
    READY = "ready"
    MODERATED = "moderated"
    FAILED = "failed"


class Source(StrEnum):
    """Who brought a report."""

    CALLBACK = "callback"
    POLL = "poll"
    REPLAY = "replay"


TERMINAL = frozenset({Status.STORED, Status.MODERATED, Status.FAILED, Status.EXPIRED, Status.LOST})
REOPENABLE = frozenset({Status.FAILED, Status.EXPIRED, Status.LOST})

# A pair that is not listed is old news and changes nothing; no row starts from a terminal state.
TRANSITIONS: dict[tuple[Status, ReportKind], Status] = {
    # BFL can call before its answer to our submit is on record.
    (Status.QUEUED, ReportKind.PROGRESS): Status.SUBMITTED,
    (Status.QUEUED, ReportKind.UNCLEAR): Status.SUBMITTED,
    (Status.QUEUED, ReportKind.READY): Status.READY,
    (Status.QUEUED, ReportKind.MODERATED): Status.MODERATED,
    (Status.QUEUED, ReportKind.FAILED): Status.FAILED,
    (Status.SUBMITTED, ReportKind.PROGRESS): Status.SUBMITTED,
    # "Ready" without anything to fetch: BFL is asked at once.
    (Status.SUBMITTED, ReportKind.UNCLEAR): Status.SUBMITTED,
    (Status.SUBMITTED, ReportKind.READY): Status.READY,
    (Status.SUBMITTED, ReportKind.MODERATED): Status.MODERATED,
    (Status.SUBMITTED, ReportKind.FAILED): Status.FAILED,
    # Only a URL that lives longer than the one at hand is news. "Error" after "Ready" is not:
    # a URL was given, and if it is dead, BFL is asked again.
    (Status.READY, ReportKind.READY): Status.READY,
}
