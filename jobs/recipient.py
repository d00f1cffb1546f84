"""Whom a job's end is told, and how far that has come."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class NotificationTarget(StrEnum):
    """Who wants to hear of it, by the name under which they said so."""

    CALLER = "webhook_url"  # a client of BFL's API, called as BFL would call it
    APP = "notify_url"
    OWNER = "NOTIFY_URL"


@dataclass(frozen=True, slots=True)
class PendingNotification:
    """One telling that is still owed; what was told leaves a line on the timeline instead."""

    to: NotificationTarget
    since: float  # when the job ended: a replayed job ends more than once
    at: float  # when it is due
    attempts: int = 0

    def id(self, job_id: str) -> str:
        """The same for every try, and another for each target and each end of a job."""
        named = f"fluxkeep notice 1\0{job_id}\0{self.to}\0{self.since!r}".encode()
        return f"msg_{hashlib.sha256(named).hexdigest()[:32]}"
