"""Trusted proxies, whose X-Forwarded headers are used."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Self

ANY = "*"


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Networks of trusted proxies; `any` trusts every peer."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    any: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `*`, or a list of addresses and networks. Raises ValueError."""
        parts = [part for part in map(str.strip, text.split(",")) if part]
        try:
            networks = tuple(ip_network(part) for part in parts if part != ANY)
        except ValueError:
            raise ValueError("each is *, an IP address or a network like 10.0.0.0/8") from None
        return cls(networks, ANY in parts)

    def trust(self, peer: str) -> bool:
        try:
            return self.any or any(ip_address(peer) in network for network in self.networks)
        except ValueError:
            return False

    @property
    def setting(self) -> str:
        """The value in gunicorn's syntax."""
        return ",".join([*([ANY] if self.any else []), *map(str, self.networks)])
