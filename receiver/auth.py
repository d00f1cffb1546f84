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

BEARER = "bearer"
BASIC = "basic"
IPV6_PREFIX_BITS = 64  # of one household, which can choose the lower bits for each request


def authenticate(sent_key: str) -> ApiKey:
    """Return the valid API key, and count the request against its quota.

    Raises Unauthorized, WrongKey, and RateLimited for too many requests with this key, or for too
    many wrong keys from this address. While Redis is down nothing is counted.
    """
    api_key = _find(sent_key)
    if api_key is None:
        if not sent_key:
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
    """Name of the API key or session of this request; None for the command line."""
    if not has_request_context():
        return None
    name: str = g.api_key.name
    return name


def present_caller() -> str | None:
    """Name of the API key or session; None for a request without a key, and outside a request."""
    if not has_request_context():
        return None
    api_key: ApiKey | None = g.get("api_key")
    if api_key is None:
        return None
    return api_key.name


def request_key() -> str:
    """The key in `Authorization: Bearer` or `x-key`; of two keys the wrong one, if one is wrong."""
    sent_keys = [_header_text(header) for header in key_headers()]
    for sent_key in sent_keys:
        if _find(sent_key) is None:
            return sent_key
    if sent_keys:
        return sent_keys[0]
    return ""


def _header_text(header: str) -> str:
    """WSGI decodes the bytes of a header as latin-1; the settings hold text."""
    return header.encode("latin-1", "replace").decode("utf-8", "replace")


def _find(sent_key: str) -> ApiKey | None:
    return api_keys.find(current_services().settings.api_keys, sent_key)


def key_headers() -> list[str]:
    """The API keys in the headers of the request; of an unknown scheme an empty one.

    Basic credentials are ignored: a proxy in front of us may ask for them and pass them on.
    """
    sent_keys = request.headers.getlist("x-key")
    authorization = request.headers.get("Authorization")
    if not authorization:
        return sent_keys
    scheme, _, token = authorization.partition(" ")
    scheme = scheme.lower()
    if scheme == BASIC:
        return sent_keys
    if scheme == BEARER:
        sent_keys.insert(0, token.strip())
    else:
        sent_keys.insert(0, "")
    return sent_keys


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
    if forwarded and is_trusted:
        address = _parse(forwarded)
    else:
        address = _parse(peer)
    if address is None:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address, IPV6_PREFIX_BITS), strict=False))
        address = address.ipv4_mapped
    return str(ip_network(address))


def _require_room(status: RateStatus) -> None:
    if status.retry_after_seconds > 0:
        requests = "requests with this key"
        if status.is_blocked_address:
            requests = "wrong keys from your address"
        raise RateLimited(f"Too many {requests}: come again later.", status.retry_after_seconds)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """Some proxies write `ip:port`, and `[v6]` or `[v6]:port`."""
    with suppress(ValueError):
        return ip_address(text)
    with suppress(ValueError):
        return ip_address(urlsplit(f"//{text}").hostname or "")
    return None
