"""PUBLIC_URL: send two test callbacks to our own address, as BFL would call it.

A signed body that is no report must be answered with 400, a body with a wrong signature with 401.
Each raises a counter of /metrics by one. Neither changes a job.

The requests are made by the SSRF-safe client: an address that it refuses because its name leads
into a private network cannot be reached by BFL either.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from jobs.bfl.parsing import AUTHENTICATION_HEADERS
from jobs.config.settings import Settings
from jobs.errors import TransferFailed, UrlRefused
from jobs.net import http_client
from jobs.net.urls import ParsedUrl, parse
from jobs.signing import callback_digest
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok, warning

NAME = "public_url"
BODY = b'{"test": "no report, sent by a check"}'
ANSWER_SECONDS = 10.0

_SIGNATURE = AUTHENTICATION_HEADERS[1]
_RUNNING = "See that the web process runs and that PUBLIC_URL leads to it."


class Callback(NamedTuple):
    """A test callback, the right answer, and the meaning of another answer."""

    signature: bytes
    right: int
    otherwise: str
    remedy: str


def check(context: Context) -> Iterator[Result]:
    settings = context.settings
    address = _address(settings)
    if not settings.bfl_reaches_us:
        yield warning(NAME, "not tried: PUBLIC_URL is not set", "Set it, and check again.")
    elif address.origin.scheme == "http" and not address.origin.is_loopback:
        why = "not tried: plain http is called on this machine only"
        yield warning(NAME, why, "Set PUBLIC_URL to an https address.")
    else:
        yield _try(address, settings)


def _address(settings: Settings) -> ParsedUrl:
    """The callback address. The settings take upper-case hosts, `parse` does not."""
    base = settings.base_url
    return ParsedUrl(parse(base.lower()).origin, f"{urlsplit(base).path}/webhooks/bfl")


def _try(address: ParsedUrl, settings: Settings) -> Result:
    try:
        wrong = [
            result for callback in _callbacks(settings) if (result := _send(address, callback))
        ]
    except UrlRefused:
        why = f"{address.origin} leads to an address that is not on the internet"
        return failed(NAME, why, "Give it a public address, or BFL cannot call.")
    except TransferFailed as error:
        return failed(NAME, f"{address.origin} cannot be reached: {error}", _RUNNING)
    right = ok(NAME, f"{address.origin} accepts a signed callback and refuses a forged one")
    return wrong[0] if wrong else right


def _callbacks(settings: Settings) -> tuple[Callback, Callback]:
    secret = settings.webhook_secret[0].get_secret_value().encode()
    signed = Callback(
        callback_digest(secret, BODY),
        HTTPStatus.BAD_REQUEST,
        "a callback signed with WEBHOOK_SECRET is not accepted as one",
        "Give every web process the same WEBHOOK_SECRET as here.",
    )
    forged = Callback(
        callback_digest(secret, b"something else"),
        HTTPStatus.UNAUTHORIZED,
        "a wrongly signed callback is not refused as one",
        "See which server answers there: it does not seem to be Fluxkeep.",
    )
    return signed, forged


def _send(address: ParsedUrl, callback: Callback) -> Result | None:
    """None when the answer is right. Raises RefusedUrl, TransferFailed."""
    status = _post(address, callback.signature)
    if status == callback.right:
        return None
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED):
        return failed(NAME, f"{callback.otherwise} (answer {status})", callback.remedy)
    return failed(NAME, f"{address.origin} answers {status}, as Fluxkeep does not", _RUNNING)


def _post(address: ParsedUrl, signature: bytes) -> int:
    headers = {"Content-Type": "application/json", _SIGNATURE: f"sha256={signature.decode()}"}
    origin = address.origin
    loopback = origin if origin.scheme == "http" and origin.is_loopback else None
    with (
        http_client.create_session(loopback) as session,
        http_client.send_request(
            session, address, seconds=ANSWER_SECONDS, headers=headers, body=BODY
        ) as answer,
    ):
        return int(answer.status_code)
