"""The address BFL calls: two trial callbacks that must be told apart, and that change nothing.

A signed one that is no report must get 400, an unsigned one 401; each raises a counter of
/metrics by one, as the same from BFL would.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import NamedTuple

from jobs.errors import RefusedUrl, TransferFailed
from jobs.hosts import Address
from jobs.settings import Settings
from jobs.signing import callback_digest
from receiver import front_door
from receiver.doctor.finding import Finding, failed, ok, warning

PART = "callbacks"
TRIAL = b'{"trial": "no report, sent by the doctor"}'

_RUNNING = "See that the web process runs and that PUBLIC_URL leads to it."


class Call(NamedTuple):
    """A trial, the answer that is right, and what another one means."""

    signature: bytes
    right: int
    otherwise: str
    remedy: str


def look(settings: Settings) -> Iterator[Finding]:
    address = front_door.address(settings)
    if not settings.bfl_reaches_us:
        yield warning(PART, "not tried: PUBLIC_URL is not set", "Set it, and ask again.")
    elif front_door.is_plain_http_abroad(address.origin):
        said = "not tried: over plain http only this machine itself is called"
        yield warning(PART, said, "Set PUBLIC_URL to an https address.")
    else:
        yield _tried(address, settings)


def _tried(address: Address, settings: Settings) -> Finding:
    try:
        wrong = [found for call in _calls(settings) if (found := _wrong(address, call))]
    except RefusedUrl:
        said = f"{address.origin} leads to an address that is not on the internet"
        return failed(PART, said, "Give it a public address, or BFL cannot call.")
    except TransferFailed as error:
        return failed(PART, f"{address.origin} cannot be reached: {error}", _RUNNING)
    right = ok(PART, f"{address.origin} knows a signed callback from another one")
    return wrong[0] if wrong else right


def _calls(settings: Settings) -> tuple[Call, Call]:
    secret = settings.webhook_secret[0].get_secret_value().encode()
    signed = Call(
        callback_digest(secret, TRIAL),
        HTTPStatus.BAD_REQUEST,
        "a callback signed with WEBHOOK_SECRET is not taken as one",
        "Give the web process the same WEBHOOK_SECRET as here.",
    )
    forged = Call(
        callback_digest(secret, b"something else"),
        HTTPStatus.UNAUTHORIZED,
        "a wrongly signed callback is not refused as one",
        "See what answers there: it does not seem to be Fluxkeep.",
    )
    return signed, forged


def _wrong(address: Address, call: Call) -> Finding | None:
    """Raises RefusedUrl, TransferFailed."""
    status = front_door.knock(address, call.signature, TRIAL)
    if status == call.right:
        return None
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED):
        return failed(PART, f"{call.otherwise} (answer {status})", call.remedy)
    return failed(PART, f"{address.origin} answers {status}, as Fluxkeep does not", _RUNNING)
