"""Whom a job's submitter wants called when it has ended."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientWebhook:
    """The webhook that came with a submission in BFL's own shape, called as BFL would call it."""

    url: str
    secret: str | None = None
