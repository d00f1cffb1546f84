"""Types of settings, with the validation that belongs to each."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from jobs.bfl.hosts import ANY_HOST
from jobs.config import database_url, units
from jobs.config.redis_url import RedisUrl
from jobs.domain.errors import UrlRefused
from jobs.domain.status import TERMINAL
from jobs.net.http_client import HEADER_VALUE
from jobs.net.ip import unmapped
from jobs.net.urls import PORT_MAX, ParsedUrl, is_host, is_host_pattern, parse
from jobs.signing import is_notification_secret

ANY = "*"
NOTIFY_URLS_MAX = 8  # each has threads, and a notification in each record, of its own
DIGEST_CHARS = 8
_MAPPED_PREFIX_BITS = 96  # of IPv4 addresses that are mapped to IPv6
BUDGET = "budget"  # a warning about a budget
EVENTS: frozenset[str] = TERMINAL | {BUDGET}  # that one of NOTIFY_URL can get

_DSN = re.compile(r"https?://[^@/\s]+@[^@/:\s]+(?::([0-9]{1,5}))?(?:/[^\s?#]*)?/[0-9]+")
_STORAGE = re.compile(r"(file:///|memory://$|(s3|gs|az)://[^/?#@]+(/|$))")
_CORS_ORIGIN = re.compile(r"\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?")


def split_list(text: str) -> tuple[str, ...]:
    """The items of a list with commas, without empty ones."""
    items = []
    for part in text.split(","):
        item = part.strip()
        if item:
            items.append(item)
    return tuple(items)


def parsed_by(parse_value: Callable[[str], Any]) -> BeforeValidator:
    """Build a validator that parses text and accepts parsed values."""

    def parse_text(value: Any) -> Any:
        if isinstance(value, str):
            return parse_value(value)
        return value

    return BeforeValidator(parse_text)


def require(is_valid: Callable[[str], object], message: str) -> AfterValidator:
    """Build a validator of a text, or of each text in a list; none and empty ones are valid."""

    def require_valid(value: Any) -> Any:
        for text in _texts(value):
            if not is_valid(text):
                raise ValueError(message)
        return value

    return AfterValidator(require_valid)


def _texts(value: Any) -> Iterator[str]:
    """The texts of a setting: none if it is not set or empty, else one, or those of a list."""
    items: tuple[Any, ...] = ()
    if isinstance(value, tuple):
        items = value
    elif value:
        items = (value,)
    for item in items:
        yield item.get_secret_value() if isinstance(item, SecretStr) else item


def normalize_address(text: str) -> str:
    """Normalize an IP address. Raises ValueError."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("must be an IP address, e.g. 127.0.0.1") from None


def normalize_url(url: str) -> str:
    """Write scheme and host in lower case, as `jobs/net/urls.py` reads them, and no last slash."""
    parts = urlsplit(url.rstrip("/"))
    return parts._replace(netloc=parts.netloc.lower()).geturl()


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Networks of the proxies whose X-Forwarded headers are used; `any` trusts every peer."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    any: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `*`, or a list of addresses and networks. Raises ValueError."""
        parts = split_list(text)
        try:
            networks = tuple([_network(part) for part in parts if part != ANY])
        except ValueError:
            raise ValueError("each is *, an IP address or a network like 10.0.0.0/8") from None
        return cls(networks, ANY in parts)

    def trust(self, peer: str) -> bool:
        try:
            address = ip_address(unmapped(peer))
        except ValueError:
            return self.any
        return self.any or any(address in network for network in self.networks)

    @property
    def setting(self) -> str:
        """The value in gunicorn's syntax."""
        parts = [str(network) for network in self.networks]
        if self.any:
            parts.insert(0, ANY)
        return ",".join(parts)


def _network(text: str) -> IPv4Network | IPv6Network:
    """Parse a network; of addresses that are mapped to IPv6, the IPv4 one. Raises ValueError."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_PREFIX_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX_BITS))
    return network


class NotifyUrl(NamedTuple):
    """One of NOTIFY_URL, and the events that it wants. It may be a secret, as Slack's are."""

    url: SecretStr
    events: frozenset[str] = EVENTS

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a URL and, behind `#`, final statuses parted by `+`. Raises ValueError."""
        url, has_events, listed = text.partition("#")
        try:
            parse(url)
        except UrlRefused:
            raise ValueError(
                "each is a plain http or https URL, its host in lower case, a comma in it as %2C"
            ) from None
        events = EVENTS
        if has_events:
            events = frozenset(listed.split("+"))
        if not events <= EVENTS:
            possible = ", ".join(sorted(EVENTS))
            raise ValueError(f"behind # stand the events that it gets, parted by +, of {possible}")
        return cls(SecretStr(url), events)

    @property
    def digest(self) -> str:
        """A short digest of the URL: records, logs and checks name it by this."""
        return hashlib.sha256(str(self.parsed).encode()).hexdigest()[:DIGEST_CHARS]

    @property
    def parsed(self) -> ParsedUrl:
        return parse(self.url.get_secret_value())


def _is_url(text: str) -> bool:
    try:
        return bool(parse(text))
    except UrlRefused:
        return False


def _is_public_url(url: str) -> bool:
    return _is_url(url.lower()) and "?" not in url


def _is_printable(url: str) -> bool:
    return unquote(url).isprintable()


def _is_host_or_any(host: str) -> bool:
    return host == ANY_HOST or is_host(host)


def _is_dsn(text: str) -> bool:
    dsn = _DSN.fullmatch(text)
    if dsn is None:
        return False
    port = dsn[1]
    return port is None or int(port) <= PORT_MAX


def _none_if_forever(days: Any) -> Any:
    if str(days).strip().lower() in ("", "forever"):
        return None
    return days


IpAddress = Annotated[str, AfterValidator(normalize_address)]
Secrets = Annotated[tuple[SecretStr, ...], parsed_by(split_list)]
StringList = Annotated[tuple[str, ...], parsed_by(split_list)]
Seconds = Annotated[
    float,
    Field(gt=0, le=10 * 366 * 86400, allow_inf_nan=False),
    BeforeValidator(units.seconds),
]
Bytes = Annotated[int, Field(gt=0), BeforeValidator(units.size_bytes)]
Days = Annotated[
    Annotated[
        float,
        Field(gt=0, le=100 * 366, allow_inf_nan=False),
        BeforeValidator(units.days),
    ]
    | None,
    BeforeValidator(_none_if_forever),
]

SENT_AS_HEADER = require(
    re.compile(HEADER_VALUE).fullmatch,
    "cannot be an HTTP header: it holds control characters or odd letters",
)
REDIS_URL = require(RedisUrl.parse, "")  # which raises an error of its own
PUBLIC_URL = require(
    _is_public_url,
    "must be an http or https URL without user, query or fragment",
)
DATABASE_URL = require(database_url.require_valid, "")  # which raises an error of its own
STORAGE_URL = require(
    _STORAGE.match, "must be file:///…, s3://, gs:// or az:// with a bucket, or memory://"
)
PRINTABLE = require(_is_printable, "must not hold control characters")
CORS_ORIGINS = require(
    _CORS_ORIGIN.fullmatch, "each is * or an origin like https://app.example, in lower case"
)
HOST_PATTERN = require(
    is_host_pattern,
    "each is a lower-case host name without scheme or port; "
    "* stands for a whole label before the last two",
)
HOST_OR_ANY = require(
    _is_host_or_any,
    "each is * or a lower-case host name, without scheme or port",
)
NOTIFICATION_SECRET = require(
    is_notification_secret, "each is whsec_ and the base64 of 24 to 64 random bytes"
)
SENTRY_DSN = require(
    _is_dsn,
    "must be a DSN as Sentry shows it, https://key@host/number",
)
