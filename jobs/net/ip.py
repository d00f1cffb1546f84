"""Classification of IP addresses and hosts: public, private, loopback."""

import ipaddress


def _networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, text.split()))


# Global for `ipaddress` of some Python versions, but special in IANA's registries: protocol
# assignments, translations to private networks, and Azure's platform address.
_SPECIAL = _networks(
    "168.63.129.16/32 192.0.0.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24"
    " 64:ff9b::/96 64:ff9b:1::/48 2001::/23 2002::/16 2620:4f:8000::/48 3fff::/20 fec0::/10"
)

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # IANA has assigned nothing else

# Clouds serve machine credentials at these and at link-local addresses, which _PRIVATE lacks.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "100.100.100.200",  # Alibaba
            "fd00:42::42",  # Scaleway
            "fd00:ec2::254",  # Amazon
            "fd20:ce::254",  # Google
        ),
    )
)

_PRIVATE = _networks(
    "10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7"
)


def is_public(text: str) -> bool:
    """Whether an address is reachable on the internet and not special in any way."""
    address = _unmapped(text)
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return not any(address in network for network in _SPECIAL)


def is_private(text: str) -> bool:
    """Whether an address belongs to a private network or this machine, and serves no metadata."""
    address = _unmapped(text)
    return address not in _METADATA and any(address in network for network in _PRIVATE)


def _unmapped(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_internal_host(host: str) -> bool:
    """Whether a URL's host cannot be public, which needs no DNS to be known."""
    name = host.strip("[]").rstrip(".")
    try:
        return not is_public(name)
    except ValueError:
        last = name.rpartition(".")[2]
        return last == "localhost" or last.isdigit()  # 127.1 and 2130706433 are addresses, too


def is_loopback_host(host: str) -> bool:
    """Whether a URL's host is `localhost` or a loopback address."""
    name = host.strip("[]")
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
