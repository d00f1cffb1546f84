"""Classification of IP addresses and hosts: public, private, loopback."""

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def _networks(text: str) -> Networks:
    return tuple(ipaddress.ip_network(network) for network in text.split())


def _is_in(networks: Networks, address: Address) -> bool:
    return any(address in network for network in networks)


# Global for `ipaddress` of some Python versions, but special in IANA's registries: protocol
# assignments, translations to private networks, and Azure's platform address.
_SPECIAL = _networks(
    "168.63.129.16/32 192.0.0.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24"
    " 64:ff9b::/96 64:ff9b:1::/48 2001::/23 2002::/16 2620:4f:8000::/48 3fff::/20 fec0::/10"
)

# Prefixes of addresses that a router or a host translates to IPv4.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")  # RFC 3056
# Bytes of the IPv4 address in them. Prefixes of 48, 56 and 64 bits leave out the eighth byte.
_LAST_FOUR_BYTES = (12, 13, 14, 15)
_SIX_TO_FOUR_BYTES = (2, 3, 4, 5)
_RFC_6052_POSITIONS = ((6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12), _LAST_FOUR_BYTES)
_NOWHERE = _networks("0.0.0.0/8 240.0.0.0/4")

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # IANA has assigned nothing else

# Clouds serve machine credentials at these (of Alibaba, Scaleway, Amazon and Google) and at
# link-local addresses, which _PRIVATE lacks.
_METADATA = _networks("100.100.100.200 fd00:42::42 fd00:ec2::254 fd20:ce::254")

_PRIVATE = _networks(
    "10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7"
)


def is_public(text: str) -> bool:
    """Whether an address is reachable on the internet and not special in any way.

    An IPv6 address that a translator makes of an IPv4 address is judged by the latter: a network
    of IPv6 alone reaches every IPv4 host by such an address (NAT64, RFC 6146).
    """
    return all(_is_public(destination) for destination in _destinations(text))


def _is_public(address: Address) -> bool:
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return False
    return not _is_in(_SPECIAL, address)


def is_private(text: str) -> bool:
    """Whether an address belongs to a private network or this machine, and serves no metadata."""
    address = _unmapped(text)
    return _is_in(_PRIVATE, address) and not _is_in(_METADATA, address)


def _unmapped(text: str) -> Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _destinations(text: str) -> list[Address]:
    """The addresses that a connection may reach in the end: without translation, this one."""
    address = _unmapped(text)
    if not isinstance(address, ipaddress.IPv6Address):
        return [address]
    if address in _NAT64:
        return [_embedded(address, _LAST_FOUR_BYTES)]
    if address in _SIX_TO_FOUR:
        return [_embedded(address, _SIX_TO_FOUR_BYTES)]
    if address in _LOCAL_NAT64:
        destinations = _local_nat64_destinations(address)
        if destinations:
            return destinations
    return [address]


def _local_nat64_destinations(address: ipaddress.IPv6Address) -> list[Address]:
    """Every reading of an address in the prefix of RFC 8215, except those that lead nowhere.

    Operators choose how long the translator's prefix is, and RFC 6052 says for each length where
    the IPv4 address is. A translator ignores what follows it, so that each reading counts.
    """
    destinations: list[Address] = []
    for positions in _RFC_6052_POSITIONS:
        reading = _embedded(address, positions)
        if not _is_in(_NOWHERE, reading):
            destinations.append(reading)
    return destinations


def _embedded(address: ipaddress.IPv6Address, positions: Sequence[int]) -> ipaddress.IPv4Address:
    """The IPv4 address whose bytes stand at these positions of an IPv6 address."""
    ipv4_bytes = bytearray()
    for position in positions:
        ipv4_bytes.append(address.packed[position])
    return ipaddress.IPv4Address(bytes(ipv4_bytes))


def is_internal_host(host: str) -> bool:
    """Whether a URL's host cannot be public, which needs no DNS to be known."""
    name = host.strip("[]").rstrip(".")
    try:
        return not is_public(name)
    except ValueError:
        last_label = name.rpartition(".")[2]
        # 127.1 and 2130706433 are addresses, too.
        return last_label == "localhost" or last_label.isdigit()


def is_loopback_host(host: str) -> bool:
    """Whether a URL's host is `localhost` or a loopback address."""
    name = host.strip("[]")
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def unmapped(text: str) -> str:
    """Write an IPv4 address that is mapped to IPv6 (`::ffff:192.0.2.1`) in the form of IPv4."""
    if not text.lower().startswith("::ffff:"):
        return text
    try:
        mapped = ipaddress.IPv6Address(text).ipv4_mapped
    except ValueError:
        return text
    if mapped is None:
        return text
    return str(mapped)
