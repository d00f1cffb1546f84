"""API keys: who is calling, and whether that key may do this."""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import current_app, request

from jobs.errors import Forbidden, Unauthorized
from jobs.settings import ApiKey, Scope

# Each scope includes the ones before it.
SCOPES: tuple[Scope, ...] = ("read", "submit", "admin")

P = ParamSpec("P")
R = TypeVar("R")


class Keyring:
    """The keys of this installation, as hashes."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._scopes = [(_digest(key.key.get_secret_value()), key.scope) for key in keys]

    def scope_of(self, key: str) -> Scope:
        """Raises Unauthorized when nobody holds this key."""
        given = _digest(key)
        found = [scope for digest, scope in self._scopes if hmac.compare_digest(given, digest)]
        if not (key and found):
            raise Unauthorized
        return found[0]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def given_key() -> str:
    """The key in `Authorization: Bearer` or `x-key`, as sent; "" when there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("x-key", "")
    # WSGI reads header bytes as latin-1; the settings hold text.
    return key.encode("latin-1", "replace").decode("utf-8", "replace")


def requires(scope: Scope) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A view that only keys with at least this scope may call."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            keyring: Keyring = current_app.extensions["keyring"]
            if SCOPES.index(keyring.scope_of(given_key())) < SCOPES.index(scope):
                raise Forbidden(f"this needs a key with scope {scope}")
            return view(*args, **kwargs)

        return guarded

    return decorate
