"""The way to Redis: who can listen on it, and who else could use it."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from jobs.hosts import LOOPBACK
from jobs.settings import Settings
from jobs.web import is_public
from receiver.doctor.finding import Finding, ok, warning

PART = "Redis access"


def look(settings: Settings) -> Iterator[Finding]:
    """Nothing is said of a Redis on this machine."""
    parts = urlsplit(settings.redis_url.get_secret_value())
    host = parts.hostname or "localhost"
    if parts.scheme == "unix" or host in LOOPBACK:
        return
    found = [*_password(parts.password), *_encryption(parts.scheme, host)]
    yield from found or [ok(PART, "there is a password, and nobody can listen")]


def _password(password: str | None) -> Iterator[Finding]:
    if not password:
        said = "needs no password: who can reach it can have the workers run anything"
        yield warning(PART, said, "Set one (requirepass or an ACL) and put it into REDIS_URL.")


def _encryption(scheme: str, host: str) -> Iterator[Finding]:
    if scheme != "rediss" and _leaves_the_house(host):
        said = "goes over the internet without TLS"
        yield warning(PART, said, "Use a rediss:// URL, or a private network.")


def _leaves_the_house(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(is_public(str(where[0])) for *_, where in found)
