"""URLs: one strict parser, and the vocabulary of what may be connected to."""

import ipaddress
import re
from enum import Enum, auto
from typing import NamedTuple

from jobs.errors import UrlRefused

URL_MAX_CHARS = 4096
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
PORT_MAX = 65535
# Printable ASCII without what parsers disagree about: userinfo, backslash, quotes, fragments.
_URL = re.compile(
    r"(https?)://([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?"
    r"((?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    re.ASCII,
)
_DOTS = re.compile(r"(^|/)(\.|%2e){1,2}(/|\?|$)", re.IGNORECASE)
# A name that public DNS can have: an address in any spelling is none.
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PUBLIC_NAME = re.compile(rf"({_LABEL}\.)+([a-z]{{2,63}}|xn--[a-z0-9-]{{2,59}})")
_PRIVATE_TOP = frozenset({"localhost", "local", "localdomain", "internal", "invalid", "onion"})
ANY_LABEL = "*"
_HOST_PATTERN = re.compile(rf"(({_LABEL}|\*)\.)*{_LABEL}\.{_LABEL}")
_PORTS = {"https": 443, "http": 80}


class Origin(NamedTuple):
    """Scheme, host and port: the part of a URL that decides who hears us."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


class ParsedUrl(NamedTuple):
    """A parsed URL: its origin, and path and query byte-exact."""

    origin: Origin
    target: str

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def parse(url: str) -> ParsedUrl:
    """Take a URL apart in the one way every parser agrees on. Raises RefusedUrl."""
    found = _URL.fullmatch(url) if len(url) <= URL_MAX_CHARS else None
    if found is None or _DOTS.search(found[4].partition("?")[0]):
        raise UrlRefused("the URL is not in plain form")
    scheme, host, port, target = found.groups()
    number = int(port) if port else _PORTS[scheme]
    if not 0 < number <= PORT_MAX:
        raise UrlRefused("the URL is not in plain form: no such port")
    return ParsedUrl(Origin(scheme, host, number), target if target[:1] == "/" else f"/{target}")


class AddressScope(Enum):
    """Which addresses the name of a host may lead to."""

    PUBLIC = auto()
    LOOPBACK = auto()
    PRIVATE = auto()  # private networks and this machine, but never a cloud's metadata service
    PUBLIC_OR_PRIVATE = auto()  # either, as its operator named the host


class NotificationEndpoint(NamedTuple):
    """Where a job's end is told, and how far away that may be."""

    address: ParsedUrl
    reach: AddressScope


def is_public_name(host: str) -> bool:
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
    except UrlRefused:
        return False


def parse_loopback_origin(url: str) -> Origin:
    """The origin of a sandbox. Raises ValueError unless it is plain http on loopback."""
    address = parse_origin(url)
    host = address.host.strip("[]")
    if address.scheme != "http" or not (host == "localhost" or _is_loopback(host)):
        raise ValueError("must be an http URL on a loopback address")
    return address


def parse_origin(url: str) -> Origin:
    try:
        address = parse(url.removesuffix("/").removesuffix("/v1"))
    except UrlRefused as error:
        raise ValueError(str(error)) from None
    if address.target != "/":
        raise ValueError("must be a URL without path or query")
    return address.origin


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
