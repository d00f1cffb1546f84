"""Template context of every page: links of the header, the visitor and CSRF token."""

import time
from typing import Any, NamedTuple

from flask import request

from jobs.config.api_keys import Scope
from jobs.domain.errors import StoreUnavailable
from receiver.context import services
from receiver.dashboard import csrf, session
from receiver.dashboard.access import current_path


class Link(NamedTuple):
    """A link in the header, for visitors with at least this scope."""

    text: str
    path: str
    scope: Scope = "read"

    @property
    def is_current(self) -> bool:
        return request.path == self.path


LINKS = (
    Link("Jobs", "/"),
    Link("Submit", "/submit", "submit"),
    Link("Health", "/health"),
    Link("Connect", "/start"),
    Link("Docs", "/docs"),
)


def context() -> dict[str, Any]:
    visitor = session.current_visitor()
    return {
        "visitor": visitor,
        "links": [link for link in LINKS if visitor and visitor.has_scope(link.scope)],
        "current_path": current_path(),
        "now": _now,
        "csrf_field": csrf.hidden_field,
    }


def _now() -> float:
    """Unix time by the clock of Redis, as deadlines are; by our own while Redis is away."""
    try:
        return round(services().store.now(), 1)
    except StoreUnavailable:
        return round(time.time(), 1)
