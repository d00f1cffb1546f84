"""NOTIFY_URL: the receivers of notifications, each with the events that it wants."""

import hashlib
from typing import NamedTuple, Self

from pydantic import SecretStr

from jobs.domain.errors import UrlRefused
from jobs.domain.status import TERMINAL
from jobs.net.urls import ParsedUrl, parse

URLS_MAX = 8  # each has threads, and a notification in each record, of its own
DIGEST_CHARS = 8
BUDGET = "budget"  # a warning about a budget
EVENTS: frozenset[str] = TERMINAL | {BUDGET}


class NotifyUrl(NamedTuple):
    """One of NOTIFY_URL. It may be a secret, as Slack's are."""

    url: SecretStr
    events: frozenset[str] = EVENTS

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a URL and, behind `#`, final statuses parted by `+`. Raises ValueError."""
        url, has_events, listed = text.partition("#")
        try:
            parse(url)
        except UrlRefused:
            raise ValueError(
                "each is a plain http or https URL, its host in lower case, a comma in it as %2C"
            ) from None
        events = frozenset(listed.split("+")) if has_events else EVENTS
        if not events <= EVENTS:
            known = ", ".join(sorted(EVENTS))
            raise ValueError(f"behind # stand the events that it gets, parted by +, of {known}")
        return cls(SecretStr(url), events)

    @property
    def digest(self) -> str:
        """A short digest of the URL: records, logs and checks name it by this."""
        return hashlib.sha256(str(self.parsed).encode()).hexdigest()[:DIGEST_CHARS]

    @property
    def parsed(self) -> ParsedUrl:
        return parse(self.url.get_secret_value())
