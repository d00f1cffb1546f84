"""API key authentication: read the key of a request, verify it, and check its scope."""

from contextlib import suppress

from flask import g, has_request_context, request

from jobs.config import api_keys
from jobs.config.api_keys import ApiKey, Scope
from jobs.domain.errors import StoreUnavailable, Unauthorized, WrongKey
from receiver import rate_limits
from receiver.context import services

BEARER, BASIC = "bearer", "basic"


def authenticate(key: str) -> ApiKey:
    """Return the valid API key, and count the request against its quota.

    Raises Unauthorized, WrongKey, and RateLimited for this key or for wrong keys from the same
    address.
    While Redis is down nothing is counted.
    """
    api_key = _find(key)
    if api_key is None:
        if not key:
            raise Unauthorized
        with suppress(StoreUnavailable):
            rate_limits.count_wrong_key()
        raise WrongKey
    with suppress(StoreUnavailable):
        rate_limits.count_request(api_key.name)
    return api_key


def require_scope(scope: Scope) -> None:
    """Raises Unauthorized, RateLimited, and Forbidden for a key without this scope."""
    g.api_key = authenticate(request_key())
    g.api_key.require_scope(scope)


def current_key_name() -> str | None:
    """Name of the key or session of this request; None for the command line."""
    return g.api_key.name if has_request_context() else None


def request_key() -> str:
    """The key in `Authorization: Bearer` or `x-key`; when there are two, a wrong one wins."""
    # WSGI decodes header bytes as latin-1; the settings hold text.
    keys = [key.encode("latin-1", "replace").decode("utf-8", "replace") for key in _key_headers()]
    wrong = (key for key in keys if not _find(key))
    return next(wrong, keys[0] if keys else "")


def _find(key: str) -> ApiKey | None:
    return api_keys.find(services().settings.api_keys, key)


def has_key() -> bool:
    return any(_key_headers())


def _key_headers() -> list[str]:
    """Basic credentials are ignored: a proxy in front of us may ask for them and pass them on."""
    header = request.headers.get("Authorization")
    scheme, _, token = (header or BASIC).partition(" ")
    keys = request.headers.getlist("x-key")
    if scheme.lower() == BASIC:
        return keys
    return [token.strip() if scheme.lower() == BEARER else "", *keys]
