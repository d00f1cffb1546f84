"""Classification of IP addresses: public, near (private networks), or neither."""

import ipaddress

# Called global by `ipaddress` of one Python or another, but special by IANA's registries:
# protocol assignments, translations that lead back inside, and Azure's platform address.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",
            "192.0.0.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.175.48.0/24",
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2001::/23",
            "2002::/16",
            "2620:4f:8000::/48",
            "3fff::/20",
            "fec0::/10",
        ),
    )
)

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # IANA has given out nothing beside it

# Where an operator's own machines are; link-local addresses are not among them on purpose.
_NEAR = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "::1/128",
            "fc00::/7",
        ),
    )
)


def is_public(text: str) -> bool:
    """Whether an address belongs to the open internet and to nothing closer."""
    address = _unmapped(text)
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return not any(address in network for network in _SPECIAL)


def is_private(text: str) -> bool:
    """Whether an address belongs to a private network or to this machine."""
    return any(_unmapped(text) in network for network in _NEAR)


def _unmapped(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_internal_host(host: str) -> bool:
    """Whether a URL's host says already, before it is resolved, that it is no public one."""
    name = host.strip("[]").rstrip(".")
    try:
        return not is_public(name)
    except ValueError:
        last = name.rpartition(".")[2]
        return last == "localhost" or last.isdigit()  # 127.1 and 2130706433 are addresses, too
