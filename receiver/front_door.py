"""Our own address as BFL calls it: over the guarded client, to PUBLIC_URL and nowhere else.

An address that the client refuses, because its name leads into a private network, is one that
BFL cannot reach either.
"""

from urllib.parse import urlsplit

from jobs import web
from jobs.bfl import AUTHENTICATION_HEADERS
from jobs.hosts import LOOPBACK, Address, Origin, parse
from jobs.settings import Settings

ANSWER_SECONDS = 10.0

_SIGNATURE = AUTHENTICATION_HEADERS[1]


def address(settings: Settings) -> Address:
    """Where BFL calls. The settings take upper-case hosts, `parse` does not."""
    base = settings.base_url
    return Address(parse(base.lower()).origin, f"{urlsplit(base).path}/webhooks/bfl")


def is_plain_http_abroad(origin: Origin) -> bool:
    """Over plain http only this machine itself is called."""
    return origin.scheme == "http" and not _is_loopback(origin)


def _is_loopback(origin: Origin) -> bool:
    return origin.host.strip("[]") in LOOPBACK


def knock(address: Address, signature: bytes, body: bytes) -> int:
    """The status that a signed callback is answered with. Raises RefusedUrl, TransferFailed."""
    headers = {
        "Content-Type": "application/json",
        _SIGNATURE: f"sha256={signature.decode()}",
    }
    origin = address.origin
    loopback = origin if origin.scheme == "http" and _is_loopback(origin) else None
    with (
        web.new_session(loopback) as session,
        web.exchange(
            session, address, seconds=ANSWER_SECONDS, headers=headers, body=body
        ) as answer,
    ):
        return int(answer.status_code)
