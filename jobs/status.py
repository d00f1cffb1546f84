"""The states of a job and the one table that says which report moves it where."""

from enum import StrEnum


class State(StrEnum):
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


class News(StrEnum):
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


TERMINAL = frozenset({State.STORED, State.MODERATED, State.FAILED, State.EXPIRED, State.LOST})
REOPENABLE = frozenset({State.FAILED, State.EXPIRED, State.LOST})

# A pair that is not listed is old news and changes nothing; no row starts from a terminal state.
TRANSITIONS: dict[tuple[State, News], State] = {
    # BFL can call before its answer to our submit is on record.
    (State.QUEUED, News.PROGRESS): State.SUBMITTED,
    (State.QUEUED, News.UNCLEAR): State.SUBMITTED,
    (State.QUEUED, News.READY): State.READY,
    (State.QUEUED, News.MODERATED): State.MODERATED,
    (State.QUEUED, News.FAILED): State.FAILED,
    (State.SUBMITTED, News.PROGRESS): State.SUBMITTED,
    # "Ready" without anything to fetch: BFL is asked at once.
    (State.SUBMITTED, News.UNCLEAR): State.SUBMITTED,
    (State.SUBMITTED, News.READY): State.READY,
    (State.SUBMITTED, News.MODERATED): State.MODERATED,
    (State.SUBMITTED, News.FAILED): State.FAILED,
    # Only a URL that lives longer than the one at hand is news. "Error" after "Ready" is not:
    # a URL was given, and if it is dead, BFL is asked again.
    (State.READY, News.READY): State.READY,
}
