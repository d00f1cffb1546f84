"""Types of settings, with the validation that belongs to each."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from jobs.bfl.hosts import ANY_HOST
from jobs.config import database_url
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
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parsed_by(parse_value: Callable[[str], Any]) -> BeforeValidator:
    """Build a validator that parses text and accepts parsed values."""
    return BeforeValidator(lambda value: parse_value(value) if isinstance(value, str) else value)


def require(is_valid: Callable[[str], object], message: str) -> AfterValidator:
    """Build a validator of a text, or of each text in a list; none and empty ones are valid."""

    def require_valid(value: Any) -> Any:
        for one in value if isinstance(value, tuple) else filter(None, [value]):
            if not is_valid(one.get_secret_value() if isinstance(one, SecretStr) else one):
                raise ValueError(message)
        return value

    return AfterValidator(require_valid)


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
            networks = tuple(_network(part) for part in parts if part != ANY)
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
        return ",".join([*([ANY] if self.any else []), *map(str, self.networks)])


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
        events = frozenset(listed.split("+")) if has_events else EVENTS
        if not events <= EVENTS:
            known = ", ".join(sorted(EVENTS))
            raise ValueError(f"behind # stand the events that it gets, parted by +, of {known}")
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


IpAddress = Annotated[str, AfterValidator(normalize_address)]
Secrets = Annotated[tuple[SecretStr, ...], parsed_by(split_list)]
StringList = Annotated[tuple[str, ...], parsed_by(split_list)]
Seconds = Annotated[float, Field(gt=0, le=10 * 366 * 86400, allow_inf_nan=False)]
Days = Annotated[
    Annotated[float, Field(gt=0, le=100 * 366, allow_inf_nan=False)] | None,
    BeforeValidator(lambda days: None if str(days).strip().lower() in ("", "forever") else days),
]

SENT_AS_HEADER = require(
    re.compile(HEADER_VALUE).fullmatch,
    "cannot be an HTTP header: it holds control characters or odd letters",
)
REDIS_URL = require(RedisUrl.parse, "")  # which raises an error of its own
PUBLIC_URL = require(
    lambda url: _is_url(url.lower()) and "?" not in url,
    "must be an http or https URL without user, query or fragment",
)
DATABASE_URL = require(database_url.require_valid, "")  # which raises an error of its own
STORAGE_URL = require(
    _STORAGE.match, "must be file:///…, s3://, gs:// or az:// with a bucket, or memory://"
)
PRINTABLE = require(lambda url: unquote(url).isprintable(), "must not hold control characters")
CORS_ORIGINS = require(
    _CORS_ORIGIN.fullmatch, "each is * or an origin like https://app.example, in lower case"
)
HOST_PATTERN = require(
    is_host_pattern,
    "each is a lower-case host name without scheme or port; "
    "* stands for a whole label before the last two",
)
HOST_OR_ANY = require(
    lambda host: host == ANY_HOST or is_host(host),
    "each is * or a lower-case host name, without scheme or port",
)
NOTIFICATION_SECRET = require(
    is_notification_secret, "each is whsec_ and the base64 of 24 to 64 random bytes"
)
SENTRY_DSN = require(
    lambda dsn: (found := _DSN.fullmatch(dsn)) and int(found[1] or 0) <= PORT_MAX,
    "must be a DSN as Sentry shows it, https://key@host/number",
)
