"""REDIS_URL, read: over what Redis is reached, and which Sentinels know where it is."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

# Valkey's names for the same; redis-py knows only its own.
SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
    "unix": "unix",
}
SENTINEL_PORT = 26379
_SENTINEL_PREFIX = "sentinel_"
_SENTINEL_OPTIONS = ("sentinel_username", "sentinel_password")

_FORM = re.compile(r"(?:([^/?#]*)@)?([^/?#]*)(/[^?#]*)?(?:\?([^#]*))?")


class Sentinels(NamedTuple):
    """Who knows which server is the primary of `service`; a user and password of their own."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    options: dict[str, str]


@dataclass(frozen=True)
class RedisUrl:
    """`plain` is what redis-py takes; with Sentinels it names no server."""

    plain: str = field(repr=False)
    hosts: tuple[str, ...]
    sentinels: Sentinels | None = field(default=None, repr=False)

    @classmethod
    def read(cls, url: str) -> Self:
        """Raises ValueError with a sentence that repeats nothing of the URL."""
        scheme, _, rest = url.partition("://")
        kind, _, finder = scheme.partition("+")
        if "://" not in url or kind not in SCHEMES or (finder, kind) == ("sentinel", "unix"):
            raise ValueError(
                "must begin with redis://, rediss://, valkey://, valkeys:// or unix://"
            )
        if finder not in ("", "sentinel"):
            raise ValueError("knows no way to find a server but +sentinel")
        plain = f"{SCHEMES[kind]}://{rest}"
        return cls._found(SCHEMES[kind], rest) if finder else cls._direct(plain)

    @classmethod
    def _direct(cls, plain: str) -> Self:
        try:
            parts = urlsplit(plain)
            _ = parts.port
        except ValueError:
            raise ValueError("must have a port from 0 to 65535") from None
        if parts.scheme != "unix":
            _check_database(parts.path)
        return cls(plain, (parts.hostname or "localhost",) if parts.scheme != "unix" else ())

    @classmethod
    def _found(cls, scheme: str, rest: str) -> Self:
        """`user:password@host:port,host:port/service/database?options`"""
        form = _FORM.fullmatch(rest)
        user, listed, path, query = form.groups("") if form else ("", "", "", "")
        hosts = tuple(map(_host, listed.split(",")))
        service, slash, database = path.removeprefix("/").partition("/")
        if not service:
            raise ValueError(
                "must name a service behind its Sentinels: …+sentinel://a,b,c/mymaster"
            )
        _check_database(slash + database)
        options = {name: values[-1] for name, values in parse_qs(query).items()}
        own = {
            name.removeprefix(_SENTINEL_PREFIX): options.pop(name)
            for name in _SENTINEL_OPTIONS
            if name in options
        }
        credentials = f"{user}@" if user else ""
        plain = f"{scheme}://{credentials}/{database}?{urlencode(options)}"
        sentinels = Sentinels(hosts, unquote(service), own)
        return cls(plain, tuple(host for host, _ in hosts), sentinels)

    @property
    def encrypted(self) -> bool:
        return self.plain.startswith("rediss:")

    @property
    def local(self) -> bool:
        """Whether it is a socket in the file system."""
        return self.plain.startswith("unix:")

    @property
    def password(self) -> str | None:
        return urlsplit(self.plain).password or None


def _host(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port or SENTINEL_PORT
    except ValueError:
        raise ValueError("must have a port from 0 to 65535") from None
    if not host:
        raise ValueError("must name at least one Sentinel")
    return host, port


def _check_database(path: str) -> None:
    if not re.fullmatch(r"(/[0-9]*)?", path):
        raise ValueError("must end in the number of a database, or in nothing")
