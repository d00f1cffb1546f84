"""API key authentication: read the key of a request, verify it, check its scope, count it."""

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from flask import g, has_request_context, request

from jobs.config import api_keys
from jobs.config.api_keys import ApiKey, Scope
from jobs.domain.errors import RateLimited, StoreUnavailable, Unauthorized, WrongKey
from jobs.store.rate_limiter import RateStatus
from receiver.context import current_services

BEARER, BASIC = "bearer", "basic"
IPV6_PREFIX_BITS = 64  # one household; it can choose the other bits for each request


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
            _require_room(current_services().rate_limiter.record_wrong_key(client_address()))
        raise WrongKey
    with suppress(StoreUnavailable):
        count_request(api_key.name)
    return api_key


def require_scope(scope: Scope) -> None:
    """Raises Unauthorized, RateLimited, and Forbidden for a key without this scope."""
    g.api_key = authenticate(request_key())
    g.api_key.require_scope(scope)


def current_key_name() -> str | None:
    """Name of the key or session of this request; None for the command line."""
    return g.api_key.name if has_request_context() else None


def present_caller() -> str | None:
    """Name of the key or session, if any: also for a request without one, and outside of one."""
    api_key: ApiKey | None = g.get("api_key") if has_request_context() else None
    return api_key.name if api_key else None


def request_key() -> str:
    """The key in `Authorization: Bearer` or `x-key`; when there are two, a wrong one wins."""
    # WSGI decodes header bytes as latin-1; the settings hold text.
    keys = [key.encode("latin-1", "replace").decode("utf-8", "replace") for key in key_headers()]
    wrong = (key for key in keys if not _find(key))
    return next(wrong, keys[0] if keys else "")


def _find(key: str) -> ApiKey | None:
    return api_keys.find(current_services().settings.api_keys, key)


def key_headers() -> list[str]:
    """Basic credentials are ignored: a proxy in front of us may ask for them and pass them on."""
    header = request.headers.get("Authorization")
    scheme, _, token = (header or BASIC).partition(" ")
    keys = request.headers.getlist("x-key")
    if scheme.lower() == BASIC:
        return keys
    return [token.strip() if scheme.lower() == BEARER else "", *keys]


def count_request(key_name: str) -> None:
    """Count a request against the quota of a key. Raises RateLimited, StoreUnavailable."""
    quota = current_services().settings.rate_limit
    _require_room(current_services().rate_limiter.admit(key_name, quota, client_address()))


def client_address() -> str:
    """The address that limits wrong keys: IPv4, or an IPv6 network; empty when unknown.

    Of `X-Forwarded-For` only the last entry counts, and only from a trusted proxy: that proxy
    added it, and a client can invent all entries before it.
    """
    peer = request.remote_addr or ""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    is_trusted = current_services().settings.forwarded_allow_ips.trust(peer)
    address = _parse(forwarded if forwarded and is_trusted else peer)
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    bits = IPV6_PREFIX_BITS if isinstance(address, IPv6Address) else 32
    return str(ip_network((address, bits), strict=False)) if address else ""


def _require_room(status: RateStatus) -> None:
    if status.retry_after_seconds > 0:
        blocked = status.is_blocked_address
        kind = "wrong keys from your address" if blocked else "requests with this key"
        raise RateLimited(f"Too many {kind}: come again later.", status.retry_after_seconds)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """Some proxies write `ip:port`, and `[v6]` or `[v6]:port`."""
    with suppress(ValueError):
        return ip_address(text)
    with suppress(ValueError):
        return ip_address(urlsplit(f"//{text}").hostname or "")
    return None
