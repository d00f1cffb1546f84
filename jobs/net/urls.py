"""Strict URL parser, host names and the scopes of addresses to connect to."""

import re
import unicodedata
from enum import Enum, auto
from typing import NamedTuple
from urllib.parse import quote

import idna

from jobs.domain.errors import UrlRefused
from jobs.net.ip import is_loopback_host

URL_MAX_CHARS = 4096
PORT_MAX = 65535
# Printable ASCII without what parsers disagree about: userinfo, backslash, quotes, fragments.
_URL = re.compile(
    r"(https?)://([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?"
    r"((?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    re.ASCII,
)
# What a browser takes for a URL: scheme, authority, path, query; the fragment stays with it.
_LOOSE_URL = re.compile(
    r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.ASCII | re.IGNORECASE | re.DOTALL
)
# All that `_URL` allows beside letters and digits: other characters are escaped.
_SAFE_IN_PATH = "/%!$&'()*+,;=:@"
_SAFE_IN_QUERY = f"{_SAFE_IN_PATH}?"
_NOT_PLAIN = "the URL is not in plain form"
_CURRENT_DIRECTORY = frozenset({".", "%2e"})
_PARENT_DIRECTORY = frozenset({"..", ".%2e", "%2e.", "%2e%2e"})
_DOTS = re.compile(r"(^|/)(\.|%2e){1,2}(/|\?|$)", re.IGNORECASE)
# A name that public DNS can have: an address in any spelling is none.
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PUBLIC_NAME = re.compile(rf"({_LABEL}\.)+([a-z]{{2,63}}|xn--[a-z0-9-]{{2,59}})")
_PRIVATE_TOP = frozenset({"localhost", "local", "localdomain", "internal", "invalid", "onion"})
ANY_LABEL = "*"
_HOST_PATTERN = re.compile(rf"(({_LABEL}|\*)\.)*{_LABEL}\.{_LABEL}")
HTTPS_PORT = 443
_PORTS = {"https": HTTPS_PORT, "http": 80}


class Origin(NamedTuple):
    """Scheme, host and port of a URL; an IPv6 host is in brackets."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        if self.port == _PORTS[self.scheme]:
            return f"{self.scheme}://{self.host}"
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def is_https(self) -> bool:
        """Whether it is https on the standard port."""
        return self.scheme == "https" and self.port == HTTPS_PORT

    @property
    def is_loopback(self) -> bool:
        return is_loopback_host(self.host)


class ParsedUrl(NamedTuple):
    """A URL's origin, and its path and query byte for byte (`target`)."""

    origin: Origin
    target: str

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def parse(url: str) -> ParsedUrl:
    """Parse a URL that all parsers read alike. Raises UrlRefused."""
    if len(url) > URL_MAX_CHARS:
        raise UrlRefused(_NOT_PLAIN)
    match = _URL.fullmatch(url)
    if match is None:
        raise UrlRefused(_NOT_PLAIN)
    scheme, host, port_digits, target = match.groups()
    path = target.partition("?")[0]
    if _DOTS.search(path):
        raise UrlRefused(_NOT_PLAIN)
    port = _PORTS[scheme]
    if port_digits:
        port = int(port_digits)
    if port <= 0 or port > PORT_MAX:
        raise UrlRefused(f"{_NOT_PLAIN}: no such port")
    if not target.startswith("/"):
        target = f"/{target}"
    return ParsedUrl(Origin(scheme, host, port), target)


def escape(url: str) -> str:
    """Bring a URL into the form that `parse` reads, as a browser does before it asks.

    BFL's URLs may be written by hand. Spaces and other characters are escaped in path and query,
    the fragment is dropped, dots in the path are resolved, and an international host name becomes
    ASCII. What is escaped already stays byte for byte: a signature covers it.
    Raises UrlRefused for user information, backslashes and control characters: parsers disagree
    about these.
    """
    text = url.strip(" ")
    if len(text) > URL_MAX_CHARS:
        raise UrlRefused(_NOT_PLAIN)
    match = _LOOSE_URL.fullmatch(text)
    if match is None or has_ambiguous_characters(text):
        raise UrlRefused(_NOT_PLAIN)
    scheme, authority, path, query = match.groups(default="")
    if "@" in authority:
        raise UrlRefused(f"{_NOT_PLAIN}: it has user information")
    try:
        escaped_path = quote(_without_dot_segments(path), safe=_SAFE_IN_PATH)
        escaped_query = quote(query, safe=_SAFE_IN_QUERY)
    except UnicodeEncodeError:  # half of a character
        raise UrlRefused(_NOT_PLAIN) from None
    return f"{scheme.lower()}://{_ascii_authority(authority)}{escaped_path}{escaped_query}"


def has_ambiguous_characters(text: str) -> bool:
    """Whether a text has backslashes or control characters, about which URL parsers disagree."""
    return "\\" in text or any(unicodedata.category(character) == "Cc" for character in text)


def _without_dot_segments(path: str) -> str:
    segments = list[str]()
    all_segments = path.split("/")
    for segment in all_segments:
        word = segment.lower()
        if word in _PARENT_DIRECTORY:
            if len(segments) > 1:  # the first is the empty one before the leading slash
                segments.pop()
        elif word not in _CURRENT_DIRECTORY:
            segments.append(segment)
    if all_segments[-1].lower() in _CURRENT_DIRECTORY | _PARENT_DIRECTORY:
        segments.append("")  # a directory
    return "/".join(segments)


def _ascii_authority(authority: str) -> str:
    """Host and port, the host in small letters and in ASCII. Raises UrlRefused."""
    host, colon, port = authority.rpartition(":")
    is_end_of_ipv6_address = port.endswith("]")
    if not colon or is_end_of_ipv6_address:
        host = authority
        port = ""
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError:
            raise UrlRefused(_NOT_PLAIN) from None
    if not port:
        return host.lower()
    return f"{host.lower()}:{port}"


class AddressScope(Enum):
    """Addresses that the name of a host may resolve to."""

    PUBLIC = auto()
    LOOPBACK = auto()
    PRIVATE = auto()  # includes this machine, never a cloud's metadata service
    PUBLIC_OR_PRIVATE = auto()  # for hosts that the operator named


class NotificationEndpoint(NamedTuple):
    """A URL to notify, and the scope of addresses that it may resolve to."""

    url: ParsedUrl
    scope: AddressScope


def is_public_name(host: str) -> bool:
    top = host.rpartition(".")[2]
    return _PUBLIC_NAME.fullmatch(host) is not None and top not in _PRIVATE_TOP


def is_host_pattern(text: str) -> bool:
    """Whether a text is a host name; `*` may replace whole labels before the last two."""
    return _HOST_PATTERN.fullmatch(text) is not None


def matches_host_pattern(pattern: str, host: str) -> bool:
    """Whether a host has the labels of a pattern, where `*` is any label."""
    expected_labels = pattern.split(".")
    labels = host.split(".")
    if len(expected_labels) != len(labels):
        return False
    for expected, label in zip(expected_labels, labels, strict=True):
        if expected not in (ANY_LABEL, label):
            return False
    return True


def is_host(text: str) -> bool:
    """Whether a text is exactly the host of a URL."""
    try:
        return parse(f"https://{text}/").origin == Origin("https", text, _PORTS["https"])
    except UrlRefused:
        return False


def parse_loopback_origin(url: str) -> Origin:
    """Parse the origin of a sandbox. Raises ValueError unless it is plain http on loopback."""
    origin = parse_origin(url)
    if origin.scheme != "http" or not origin.is_loopback:
        raise ValueError("must be an http URL on a loopback address")
    return origin


def parse_origin(url: str) -> Origin:
    """Parse a URL without path and query, `/v1` aside. Raises ValueError."""
    try:
        parsed = parse(url.removesuffix("/").removesuffix("/v1"))
    except UrlRefused as error:
        raise ValueError(str(error)) from None
    if parsed.target != "/":
        raise ValueError("must be a URL without path or query")
    return parsed.origin
