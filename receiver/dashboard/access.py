"""What stands before each page: a session of the right scope, and forms that are our own."""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import redirect, request
from flask.typing import ResponseReturnValue

from jobs.config.api_keys import Scope
from jobs.errors import Forbidden
from receiver.dashboard import forms, session
from receiver.dashboard.integrations import login_and_back

FORGERY_HEADER = "X-Forgery-Token"
FORGERY_FIELD = "forgery"

P = ParamSpec("P")
Page = Callable[P, ResponseReturnValue]


def shown_to(scope: Scope) -> Callable[[Page[P]], Page[P]]:
    """A page for visitors with at least this scope."""

    def decorate(view: Page[P]) -> Page[P]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            visitor = session.visitor()
            if visitor is None:
                return to_login()
            if not visitor.may(scope):
                raise Forbidden(f"this needs a key with scope {scope}")
            session.renew()
            return view(*args, **kwargs)

        return guarded

    return decorate


def changed_by(scope: Scope) -> Callable[[Page[P]], Page[P]]:
    """A change that visitors with at least this scope may make, by a form of ours alone."""

    def decorate(view: Page[P]) -> Page[P]:
        @shown_to(scope)
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            check_forgery()
            return view(*args, **kwargs)

        return guarded

    return decorate


def to_login() -> ResponseReturnValue:
    """And back to the page afterwards; a change is not made, its address shows a page instead."""
    return redirect(login_and_back(), 303)


def check_forgery() -> None:
    """Raises Forbidden for a form that another page sends in the visitor's name."""
    given = request.headers.get(FORGERY_HEADER) or forms.form().get(FORGERY_FIELD, "")
    expected = session.forgery_token()
    known = hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
    if not known or not _from_here():
        raise Forbidden("the form is too old, or it is not from this page: go back and try again")


def _from_here() -> bool:
    """Browsers that say where a request began must say that it was here."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
