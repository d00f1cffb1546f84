"""Who is at the other end: the address by which guessers of keys are told apart."""

from ipaddress import ip_address, ip_network

from flask import request

from jobs.config.proxies import Proxies

IPV6_PREFIX = 64  # so many bits name a household; it can choose the others for each request


def address(proxies: Proxies) -> str:
    """The caller's, or the one that our own proxy says it had its request from.

    Only the last of `X-Forwarded-For`: it was added by the proxy that talks to us, and whatever
    stands before it can be made up.
    """
    peer = request.remote_addr or ""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return _network(_without_port(forwarded) if forwarded and proxies.trust(peer) else peer)


def _without_port(text: str) -> str:
    """Some proxies write `ip:port`, and `[v6]` or `[v6]:port`."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _network(text: str) -> str:
    """An IPv4 address, an IPv6 network, or nothing where there is neither."""
    try:
        found = ip_address(text)
    except ValueError:
        return ""
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ip_network((found, IPV6_PREFIX), strict=False))
