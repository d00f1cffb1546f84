"""Classification of IP addresses and hosts: public, private, loopback."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def _networks(text: str) -> Networks:
    return tuple(map(ipaddress.ip_network, text.split()))


def _is_in(networks: Networks, address: Address) -> bool:
    return any(address in network for network in networks)


# Global for `ipaddress` of some Python versions, but special in IANA's registries: protocol
# assignments, translations to private networks, and Azure's platform address.
_SPECIAL = _networks(
    "168.63.129.16/32 192.0.0.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24"
    " 64:ff9b::/96 64:ff9b:1::/48 2001::/23 2002::/16 2620:4f:8000::/48 3fff::/20 fec0::/10"
)

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # IANA has assigned nothing else

# Clouds serve machine credentials at these (of Alibaba, Scaleway, Amazon and Google) and at
# link-local addresses, which _PRIVATE lacks.
_METADATA = _networks("100.100.100.200 fd00:42::42 fd00:ec2::254 fd20:ce::254")

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
    return not _is_in(_SPECIAL, address)


def is_private(text: str) -> bool:
    """Whether an address belongs to a private network or this machine, and serves no metadata."""
    address = _unmapped(text)
    return _is_in(_PRIVATE, address) and not _is_in(_METADATA, address)


def _unmapped(text: str) -> Address:
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


def unmapped(text: str) -> str:
    """Write an IPv4 address that is mapped to IPv6 (`::ffff:192.0.2.1`) as itself."""
    if not text.lower().startswith("::ffff:"):
        return text
    try:
        mapped = ipaddress.IPv6Address(text).ipv4_mapped
    except ValueError:
        return text
    return text if mapped is None else str(mapped)
