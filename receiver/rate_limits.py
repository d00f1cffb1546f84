"""Rate limits: requests of each API key, and wrong keys from each client address.

Redis counts (`jobs/store/rate_limiter.py`), so that a limit holds over all web processes.
"""

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from flask import request

from jobs.domain.errors import RateLimited
from jobs.store.rate_limiter import RateStatus
from receiver.context import services

IPV6_PREFIX_BITS = 64  # one household; it can choose the other bits for each request


def count_request(key_name: str) -> None:
    """Count a request against the quota of a key. Raises RateLimited, StoreUnavailable."""
    quota = services().settings.rate_limit
    _require_room(services().rate_limiter.admit(key_name, quota, client_address()))


def count_wrong_key() -> None:
    """Count an unknown key against its sender. Raises RateLimited, StoreUnavailable."""
    _require_room(services().rate_limiter.record_wrong_key(client_address()))


def client_address() -> str:
    """The address that limits wrong keys: IPv4, or an IPv6 network; empty when unknown.

    Of `X-Forwarded-For` only the last entry counts, and only from a trusted proxy: that proxy
    added it, and a client can invent all entries before it.
    """
    peer = request.remote_addr or ""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    is_trusted = services().settings.forwarded_allow_ips.trust(peer)
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
