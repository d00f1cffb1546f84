"""REDIS_URL: the URL of a server, or of Sentinels that name the primary."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

SENTINEL_PORT = 26379
_SENTINEL_OPTIONS = {"sentinel_username": "username", "sentinel_password": "password"}
_FORM = re.compile(
    r"(redis|rediss|valkey|valkeys|unix)(\+sentinel)?://"
    r"([^/?#]*@)?([^/?#@]*)(/[^?#]*)?(?:\?([^#]*))?(?:#.*)?"
)
_WRONG_SCHEME = (
    "must begin with redis://, rediss://, valkey://, valkeys:// or unix://, "
    "or with redis+sentinel:// and the like"
)


class Sentinels(NamedTuple):
    """Sentinels of a service; `options` are their own user name and password."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    options: dict[str, str]


@dataclass(frozen=True)
class RedisUrl:
    """`plain` is in redis-py's syntax; it has no host when there are Sentinels."""

    plain: str = field(repr=False)
    sentinels: Sentinels | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse a URL. Raises ValueError with a message that quotes nothing of it."""
        form = _FORM.fullmatch(url)
        if form is None:
            raise ValueError(_WRONG_SCHEME)
        kind, by_sentinel, user, hosts, path, query = form.groups("")
        if by_sentinel and kind == "unix":
            raise ValueError(_WRONG_SCHEME)
        scheme = kind.replace("valkey", "redis")  # Valkey's names for the schemes
        if by_sentinel:
            return cls._by_sentinel(f"{scheme}://{user}", hosts, path, query)
        if kind != "unix":
            _host(hosts)
            _require_database(path)
        return cls(scheme + url[len(kind) :])

    @classmethod
    def _by_sentinel(cls, start: str, hosts: str, path: str, query: str) -> Self:
        service, slash, database = path.removeprefix("/").partition("/")
        if not service:
            form = "…+sentinel://a,b,c/mymaster"
            raise ValueError(f"must name a service behind its Sentinels: {form}")
        _require_database(slash + database)
        options = {name: values[-1] for name, values in parse_qs(query).items()}
        options_of_sentinels = {}
        for name, redis_py_name in _SENTINEL_OPTIONS.items():
            if name in options:
                options_of_sentinels[redis_py_name] = options.pop(name)
        addresses = []
        for text in hosts.split(","):
            host, port = _host(text)
            if not host:
                raise ValueError("must name at least one Sentinel")
            addresses.append((host, port))
        plain = f"{start}/{database}?{urlencode(options)}"
        sentinels = Sentinels(tuple(addresses), unquote(service), options_of_sentinels)
        return cls(plain, sentinels)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Empty for a socket in the file system."""
        if self.sentinels:
            return tuple([host for host, _ in self.sentinels.hosts])
        if self.is_socket:
            return ()
        host = urlsplit(self.plain).hostname
        return (host or "localhost",)

    @property
    def is_encrypted(self) -> bool:
        return self.plain.startswith("rediss:")

    @property
    def is_socket(self) -> bool:
        return self.plain.startswith("unix:")

    @property
    def password(self) -> str | None:
        return urlsplit(self.plain).password or None


def _host(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port or SENTINEL_PORT
    except ValueError:
        raise ValueError("must have a port from 0 to 65535") from None
    return parts.hostname or "", port


def _require_database(path: str) -> None:
    if not re.fullmatch(r"(/[0-9]*)?", path):
        raise ValueError("must end in the number of a database, or in nothing")
