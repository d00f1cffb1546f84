"""What every page shows around its own: where one can go, and who is here."""

import time
from typing import Any, NamedTuple

from flask import request
from markupsafe import Markup

from jobs.config.api_keys import Scope
from jobs.errors import StoreUnavailable
from receiver.context import services
from receiver.dashboard import session, theme
from receiver.dashboard.access import FORGERY_FIELD
from receiver.dashboard.integrations import here


class Link(NamedTuple):
    """One of the header, for visitors with this scope."""

    text: str
    path: str
    scope: Scope = "read"

    @property
    def current(self) -> bool:
        return request.path == self.path


LINKS = (
    Link("Jobs", "/"),
    Link("Submit", "/submit", "submit"),
    Link("Health", "/health"),
    Link("Connect", "/start"),
    Link("Docs", "/docs"),
)


def context() -> dict[str, Any]:
    """What every template knows."""
    visitor = session.visitor()
    return {
        "visitor": visitor,
        "links": [link for link in LINKS if visitor and visitor.may(link.scope)],
        "theme": theme.chosen(),
        "here": here(),
        "now": _now,
        "forgery_token": session.forgery_token,
        "forgery_field": forgery_field,
    }


def _now() -> float:
    """By the clock of Redis, which deadlines go by; a page without Redis has none."""
    try:
        return round(services().store.now(), 1)
    except StoreUnavailable:
        return round(time.time(), 1)


def forgery_field() -> Markup:
    """The hidden field that each form needs."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(
        FORGERY_FIELD, session.forgery_token()
    )
