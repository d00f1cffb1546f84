"""Checks of the access to Redis: password, TLS and certificate."""

import socket
from collections.abc import Iterator

from jobs.config.redis_url import RedisUrl
from jobs.config.settings import Settings
from jobs.net.ip import is_loopback_host, is_public
from receiver.checks.result import Result, ok, warning

NAME = "redis_access"


def check(settings: Settings) -> Iterator[Result]:
    """No result for a Redis on this machine."""
    url = settings.redis
    if url.is_socket or all(map(is_loopback_host, url.hosts)):
        return
    found = [*_password(url), *_encryption(url), *_certificate(url, settings)]
    yield from found or [ok(NAME, "needs a password and is encrypted or private")]


def _password(url: RedisUrl) -> Iterator[Result]:
    if not url.password:
        why = "needs no password: anybody who can connect can run code in the workers"
        yield warning(NAME, why, "Set one (requirepass or an ACL) and put it into REDIS_URL.")


def _encryption(url: RedisUrl) -> Iterator[Result]:
    if not url.is_encrypted and any(map(_is_on_internet, url.hosts)):
        why = "crosses the internet without TLS"
        yield warning(NAME, why, "Use a rediss:// URL, or a private network.")


def _certificate(url: RedisUrl, settings: Settings) -> Iterator[Result]:
    if url.is_encrypted and not settings.redis_verify:
        why = "is encrypted, but REDIS_VERIFY is off: another server could pose as Redis"
        remedy = "Leave it off only where the provider's certificate cannot be checked (Heroku)."
        yield warning(NAME, why, remedy)


def _is_on_internet(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(is_public(str(address[0])) for *_, address in found)
