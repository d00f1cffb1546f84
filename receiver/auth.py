"""Whether the caller's key may do what it asks for."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import g, request

from jobs.config.api_keys import SCOPES, Scope
from jobs.errors import Forbidden
from receiver.context import app_state
from receiver.rate_limits import admit

BEARER, BASIC = "bearer", "basic"

P = ParamSpec("P")
R = TypeVar("R")


def given_key() -> str:
    """The key in `Authorization: Bearer` or `x-key`; of two a wrong one, if there is one."""
    keys = [_as_text(key) for key in _given()]
    wrong = (key for key in keys if not app_state().keyring.holds(key))
    return next(wrong, keys[0] if keys else "")


def shows_a_key() -> bool:
    return any(_given())


def _given() -> list[str]:
    """What a proxy in front of us asked for, and passes on, is not meant as a key."""
    header = request.headers.get("Authorization")
    scheme, _, token = (header or BASIC).partition(" ")
    bearer = [] if scheme.lower() == BASIC else [token.strip() * (scheme.lower() == BEARER)]
    return bearer + request.headers.getlist("x-key")


def _as_text(key: str) -> str:
    # WSGI reads header bytes as latin-1; the settings hold text.
    return key.encode("latin-1", "replace").decode("utf-8", "replace")


def requires(scope: Scope) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A view that only keys with at least this scope may call."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            entry = admit(given_key())
            g.key_name = entry.name
            if SCOPES.index(entry.scope) < SCOPES.index(scope):
                raise Forbidden(f"this needs a key with scope {scope}")
            return view(*args, **kwargs)

        vars(guarded)["scope"] = scope
        return guarded

    return decorate
