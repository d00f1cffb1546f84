"""Allow-lists for outgoing requests: one strict URL parser, and the hosts BFL is known to use.

The patterns come from BFL's docs (`delivery.*.bfl.ai`, names change) and recorded traffic.
"""

import ipaddress
import re
from enum import Enum, auto
from typing import NamedTuple

from jobs.addresses import is_inside
from jobs.errors import RefusedUrl, UnknownHost

URL_MAX_CHARS = 4096
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANY_HOST = "*"
PORT_MAX = 65535

# Printable ASCII without what parsers disagree about: userinfo, backslash, quotes, fragments.
_URL = re.compile(
    r"(https?)://([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?"
    r"((?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    re.ASCII,
)
_DOTS = re.compile(r"(^|/)(\.|%2e){1,2}(/|\?|$)", re.IGNORECASE)
# `api.bfl.ml` is dead, and the key must not go to whoever has that domain one day.
_BFL_API = re.compile(r"(api|gateway)(\.[a-z0-9-]{1,63})*\.bfl\.ai")
# Anybody can register a name on Azure's domain: only those that were recorded are BFL's.
AZURE_ACCOUNTS = ("bfldeliverysc", "bfldeliveryscus", "bfldeliveryprod", "bfldeliveryprodeu4")
_BFL_DELIVERY = re.compile(
    r"delivery[a-z0-9-]*(\.[a-z0-9-]{1,63})*\.bfl\.(ai|ml)"
    rf"|({'|'.join(AZURE_ACCOUNTS)})\.blob\.core\.windows\.net"
)
# A name that public DNS can have: an address in any spelling is none.
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PUBLIC_NAME = re.compile(rf"({_LABEL}\.)+([a-z]{{2,63}}|xn--[a-z0-9-]{{2,59}})")
_PRIVATE_TOP = frozenset({"localhost", "local", "localdomain", "internal", "invalid", "onion"})
ANY_LABEL = "*"
_HOST_PATTERN = re.compile(rf"(({_LABEL}|\*)\.)*{_LABEL}\.{_LABEL}")
# Where a host stands: `api.eu2.`, `delivery-eu1.`, `bfldeliveryprodeu4.`
_REGION = re.compile(r"(?:[.-]|prod)(eu|us)[0-9]*(?=[.-])")
_NO_API = "must be global, eu, us, eu1, us1, or the https URL of a BFL API host"
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


class Reach(Enum):
    """Which addresses the name of a host may lead to."""

    PUBLIC = auto()
    LOOPBACK = auto()
    NEAR = auto()  # private networks and this machine, but never a cloud's metadata service
    NAMED = auto()  # either, as its operator named the host


class Recipient(NamedTuple):
    """Where a job's end is told, and how far away that may be."""

    address: Address
    reach: Reach


class Trust(NamedTuple):
    """Whom this installation talks to: BFL's hosts, the operator's own additions, the sandbox."""

    sandbox: Origin | None = None
    delivery_hosts: tuple[str, ...] = ()
    region: str | None = None  # "eu" or "us": nothing of a job leaves it
    notify_hosts: tuple[str, ...] | None = None  # None: nothing could be signed
    notify_url: Address | None = None

    def api(self, url: str) -> Address:
        """The address of a polling URL. Raises RefusedUrl unless it is one of BFL's."""
        address = parse(url)
        if not self._is_near(address, _BFL_API) or address.path != _POLL_PATH:
            raise RefusedUrl("the polling URL is not one of BFL's")
        return address

    def delivery(self, url: str) -> Address:
        """The address of a delivery URL.

        Raises UnknownHost when its host is not allowed, RefusedUrl when it can never be one.
        """
        address = parse(url)
        if self._is_sandbox(address) or self._is_named_by_operator(address.origin):
            return address
        if address.origin[::2] != ("https", 443) or not _is_public_name(address.origin.host):
            raise RefusedUrl("the delivery URL is not an https one of a public host")
        if not _BFL_DELIVERY.fullmatch(address.origin.host):
            raise UnknownHost(address.origin.host, "is not known to be BFL's")
        if not self._is_in_region(address.origin.host):
            raise UnknownHost(address.origin.host, f"is not in the region {self.region}")
        return address

    def _is_named_by_operator(self, origin: Origin) -> bool:
        https = origin[::2] == ("https", 443)
        return https and any(matches(host, origin.host) for host in self.delivery_hosts)

    def caller(self, url: str) -> Recipient:
        """Where somebody else's webhook is. Raises RefusedUrl unless it is https and may be public.

        Beside a sandbox, which is only there to develop with, plain http on loopback is fine.
        """
        address = parse(url)
        inside = self.sandbox is not None and address.origin.host.strip("[]") in LOOPBACK
        if address.origin.scheme == "http" and inside:
            return Recipient(address, Reach.LOOPBACK)
        if address.origin.scheme != "https":
            raise RefusedUrl("the URL is not an https one")
        if is_inside(address.origin.host):
            raise RefusedUrl("the URL's host is not a public one")
        return Recipient(address, Reach.PUBLIC)

    def app(self, url: str) -> Recipient:
        """Where a job's `notify_url` is. Raises RefusedUrl unless NOTIFY_HOSTS allows it.

        A host that the operator named may be a private one; plain http to it stays private.
        """
        if self.notify_hosts is None:
            raise RefusedUrl("nobody can be notified: this Fluxkeep has no NOTIFY_SECRET")
        address = parse(url)
        if address.origin.host in self.notify_hosts:
            https = address.origin.scheme == "https"
            return Recipient(address, Reach.NAMED if https else Reach.NEAR)
        if ANY_HOST not in self.notify_hosts:
            raise RefusedUrl("the URL does not lead to a host that NOTIFY_HOSTS names")
        return self.caller(url)

    def owner(self) -> Recipient:
        """Where the operator wants to be told. Raises RefusedUrl when that is nowhere."""
        if self.notify_url is None or self.notify_hosts is None:
            raise RefusedUrl("there is no NOTIFY_URL any more")
        return Recipient(self.notify_url, Reach.NAMED)

    def _is_near(self, address: Address, hosts: re.Pattern[str]) -> bool:
        near = self._is_in_region(address.origin.host)
        return self._is_sandbox(address) or (near and _secure(address, hosts))

    def _is_in_region(self, host: str) -> bool:
        return self.region is None or regions(host) == {self.region}

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


def _is_public_name(host: str) -> bool:
    top = host.rpartition(".")[2]
    return _PUBLIC_NAME.fullmatch(host) is not None and top not in _PRIVATE_TOP


def is_host_pattern(text: str) -> bool:
    """Whether this names a host, or many with `*` for whole labels before the last two."""
    return _HOST_PATTERN.fullmatch(text) is not None


def matches(pattern: str, host: str) -> bool:
    """Whether a host has as many labels as the pattern, each the same or any."""
    wanted, labels = pattern.split("."), host.split(".")
    pairs = zip(wanted, labels, strict=False)
    return len(wanted) == len(labels) and all(one in (ANY_LABEL, other) for one, other in pairs)


def is_host(text: str) -> bool:
    """Whether this is how a URL would name a host, and nothing beside it."""
    try:
        return parse(f"https://{text}/").origin == Origin("https", text, _PORTS["https"])
    except RefusedUrl:
        return False


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
