"""Who shows a key is let in, unless the key asks too often or its sender tried too many others.

`admitted(key)` is all that a view needs, wherever it has the key from: a header, or the field of
a login form. It returns the key's entry, whose `scope` and `name` tell the rest, or raises
Unauthorized or TooMany, which become a 401 and a 429 with `Retry-After`; a view that answers with
a page of its own catches both. `tell`, after the request, says how much is left.
"""

import math
from contextlib import suppress

from flask import Response, g

from jobs.config.api_keys import ApiKey
from jobs.config.rate_limits import Quota
from jobs.errors import RateLimited, StoreUnavailable, Unauthorized
from jobs.store.rate_limiter import RateStatus
from receiver import client_address
from receiver.context import app_state

POLICY = "key"


def admit(key: str) -> ApiKey:
    """The entry of a key that may go on; this request is taken from its quota.

    While Redis is away nothing is counted: the view has its own word for that.
    Raises Unauthorized, TooMany.
    """
    try:
        entry = app_state().keyring.entry_of(key)
    except Unauthorized:
        if key:
            _count_guess()
        raise
    with suppress(StoreUnavailable):
        take_one(entry.name)
    return entry


def _count_guess() -> None:
    with suppress(StoreUnavailable):
        _let_go_on(app_state().services.rate_limiter.guess(_address()))


def take_one(name: str) -> None:
    """A request of the holder of the key of this name. Raises TooMany, StoreUnavailable."""
    quota = app_state().services.settings.rate_limits.of(name)
    reading = app_state().services.rate_limiter.admit(name, quota, _address())
    if quota and not reading.guesses:
        g.quota = _headers(quota, reading)
    _let_go_on(reading)


def _let_go_on(reading: RateStatus) -> None:
    """Raises TooMany."""
    if reading.retry_after_seconds > 0:
        what = (
            "wrong keys from your address"
            if reading.is_blocked_address
            else "requests with this key"
        )
        raise RateLimited(f"Too many {what}: come again later.", reading.retry_after_seconds)


def _address() -> str:
    return client_address.address(app_state().services.settings.forwarded_allow_ips)


def _headers(quota: Quota, reading: RateStatus) -> dict[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers."""
    return {
        "RateLimit-Policy": f'"{POLICY}";q={quota.requests};w={quota.seconds}',
        "RateLimit": f'"{POLICY}";r={reading.remaining};t={math.ceil(reading.reset_seconds)}',
    }


def tell(response: Response) -> Response:
    """Whoever showed a key is told what is left of its quota, errors included."""
    response.headers.update(g.get("quota", {}))
    return response
