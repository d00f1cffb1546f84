"""Which URLs may be followed: one strict parse, and the hosts BFL is known to use.

The patterns come from BFL's docs (`delivery.*.bfl.ai`, names change) and recorded traffic.
"""

import ipaddress
import re
from typing import NamedTuple

from jobs.errors import RefusedUrl

URL_MAX_CHARS = 4096
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORT_MAX = 65535

# Printable ASCII without what parsers disagree about: userinfo, backslash, quotes, fragments.
_URL = re.compile(
    r"(https?)://([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?"
    r"((?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    re.ASCII,
)
_DOTS = re.compile(r"(^|/)(\.|%2e){1,2}(/|\?|$)", re.IGNORECASE)
_BFL_API = re.compile(r"(api|gateway)(\.[a-z0-9-]{1,63})?\.bfl\.(ai|ml)")
_BFL_DELIVERY = re.compile(
    r"delivery([.-][a-z0-9]{1,48}([.-][a-z0-9]{1,48})?)?\.bfl\.(ai|ml)"
    # A bare `bfldelivery*` prefix on this domain could be registered by anyone.
    r"|bfldelivery(sc|scus|prod|prod(eu|us)[0-9]+)\.blob\.core\.windows\.net"
)
# Where a host stands: `api.eu2.`, `delivery-eu1.`, `bfldeliveryprodeu4.`
_REGION = re.compile(r"(?:[.-]|prod)(eu|us)[0-9]*(?=[.-])")
_NO_API = "must be global, eu, us, or the https URL of a BFL API host"
_PORTS = {"https": 443, "http": 80}
_POLL_PATH = "/v1/get_result"


class Origin(NamedTuple):
    """Scheme, host and port: the part of a URL that decides who hears us."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


class Address(NamedTuple):
    """A parsed URL: its origin, and path and query byte-exact."""

    origin: Origin
    target: str

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def parse(url: str) -> Address:
    """Take a URL apart in the one way every parser agrees on. Raises RefusedUrl."""
    found = _URL.fullmatch(url) if len(url) <= URL_MAX_CHARS else None
    if found is None or _DOTS.search(found[4].partition("?")[0]):
        raise RefusedUrl("the URL is not in plain form")
    scheme, host, port, target = found.groups()
    number = int(port) if port else _PORTS[scheme]
    if not 0 < number <= PORT_MAX:
        raise RefusedUrl("the URL is not in plain form: no such port")
    return Address(Origin(scheme, host, number), target if target[:1] == "/" else f"/{target}")


class Trust(NamedTuple):
    """Whom this installation talks to: BFL's hosts, the operator's own additions, the sandbox."""

    sandbox: Origin | None = None
    delivery_hosts: tuple[str, ...] = ()
    region: str | None = None  # "eu" or "us": nothing of a job leaves it

    def api(self, url: str) -> Address:
        """The address of a polling URL. Raises RefusedUrl unless it is one of BFL's."""
        address = parse(url)
        if not self._is_near(address, _BFL_API) or address.path != _POLL_PATH:
            raise RefusedUrl("the polling URL is not one of BFL's")
        return address

    def delivery(self, url: str) -> Address:
        """The address of a delivery URL. Raises RefusedUrl unless its host is allowed."""
        address = parse(url)
        origin = address.origin
        extra = origin.host in self.delivery_hosts and origin[::2] == ("https", 443)
        if not (extra or self._is_near(address, _BFL_DELIVERY)):
            raise RefusedUrl("the delivery URL does not lead to a host BFL is known to use")
        return address

    def caller(self, url: str) -> Address:
        """The address of somebody else's webhook. Raises RefusedUrl unless it is https.

        Beside a sandbox, which is only there to develop with, plain http on loopback is fine.
        """
        address = parse(url)
        inside = self.sandbox is not None and address.origin.host.strip("[]") in LOOPBACK
        if address.origin.scheme != "https" and not inside:
            raise RefusedUrl("the URL is not an https one")
        return address

    def _is_near(self, address: Address, hosts: re.Pattern[str]) -> bool:
        near = self.region is None or regions(address.origin.host) == {self.region}
        return self._is_sandbox(address) or (near and _secure(address, hosts))

    def _is_sandbox(self, address: Address) -> bool:
        return self.sandbox is not None and address.origin == self.sandbox


def regions(host: str) -> set[str]:
    """Which regions the name of a BFL host speaks of: none for the global ones."""
    return set(_REGION.findall(host))


def region_of(host: str) -> str | None:
    """The one region that everything of a job stays in when it is submitted to this host."""
    found = regions(host)
    return found.pop() if len(found) == 1 else None


def _secure(address: Address, hosts: re.Pattern[str]) -> bool:
    scheme, host, port = address.origin
    return (scheme, port) == ("https", 443) and hosts.fullmatch(host) is not None


def loopback_origin(url: str) -> Origin:
    """The origin of a sandbox. Raises ValueError unless it is plain http on loopback."""
    address = _origin_only(url)
    host = address.host.strip("[]")
    if address.scheme != "http" or not (host == "localhost" or _is_loopback(host)):
        raise ValueError("must be an http URL on a loopback address")
    return address


def api_origin(url: str, sandbox: Origin | None) -> Origin:
    """The origin of a BFL API host. Raises ValueError unless it is one of BFL's or the sandbox."""
    try:
        origin = _origin_only(url)
    except ValueError:
        raise ValueError(_NO_API) from None
    if origin != sandbox and not _secure(Address(origin, "/"), _BFL_API):
        raise ValueError(_NO_API)
    return origin


def _origin_only(url: str) -> Origin:
    try:
        address = parse(url.removesuffix("/").removesuffix("/v1"))
    except RefusedUrl as error:
        raise ValueError(str(error)) from None
    if address.target != "/":
        raise ValueError("must be a URL without path or query")
    return address.origin


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
