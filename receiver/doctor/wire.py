"""The way to Redis: who can listen on it, and who else could use it."""

import socket
from collections.abc import Iterator

from jobs.addresses import is_public
from jobs.hosts import LOOPBACK
from jobs.redis_url import RedisUrl
from jobs.settings import Settings
from receiver.doctor.finding import Finding, ok, warning

PART = "Redis access"


def look(settings: Settings) -> Iterator[Finding]:
    """Nothing is said of a Redis on this machine."""
    where = settings.redis
    if where.is_socket or all(host in LOOPBACK for host in where.hosts):
        return
    found = [*_password(where), *_encryption(where), *_certificate(where, settings)]
    yield from found or [ok(PART, "there is a password, and nobody can listen")]


def _password(where: RedisUrl) -> Iterator[Finding]:
    if not where.password:
        said = "needs no password: who can reach it can have the workers run anything"
        yield warning(PART, said, "Set one (requirepass or an ACL) and put it into REDIS_URL.")


def _encryption(where: RedisUrl) -> Iterator[Finding]:
    if not where.is_encrypted and any(map(_leaves_the_house, where.hosts)):
        said = "goes over the internet without TLS"
        yield warning(PART, said, "Use a rediss:// URL, or a private network.")


def _certificate(where: RedisUrl, settings: Settings) -> Iterator[Finding]:
    if where.is_encrypted and not settings.redis_verify:
        said = "is encrypted, but REDIS_VERIFY is off: somebody on the way could pose as Redis"
        remedy = "Leave it off only where the provider's certificate cannot be checked (Heroku)."
        yield warning(PART, said, remedy)


def _leaves_the_house(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(is_public(str(where[0])) for *_, where in found)
