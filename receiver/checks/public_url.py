"""Check of PUBLIC_URL: send two test callbacks to it, as BFL would.

A signed body that is not a report must be answered with 400, a body with a wrong signature with
401. Each increments a counter of /metrics. Neither changes a job.

The SSRF-safe client sends the requests. A name that it refuses, because it resolves to a private
address, cannot be reached by BFL either.
"""

from collections.abc import Iterator
from http import HTTPStatus

from jobs.bfl.parsing import AUTHENTICATION_HEADERS
from jobs.config.settings import Settings
from jobs.domain.errors import TransferFailed, UrlRefused
from jobs.net import http_client
from jobs.net.urls import ParsedUrl, parse
from jobs.signing import FORGED_BODY, callback_digest
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok, warning

NAME = "public_url"
BODY = b'{"test": "no report, sent by a check"}'
ANSWER_SECONDS = 10.0

_SIGNATURE = AUTHENTICATION_HEADERS[1]
_RUNNING = "Check that the web process runs and that PUBLIC_URL leads to it."


def check(context: Context) -> Iterator[Result]:
    settings = context.settings
    address = parse(f"{settings.base_url}/webhooks/bfl")
    if not settings.bfl_reaches_us:
        yield warning(NAME, "not tried: PUBLIC_URL is not set", "Set it, and check again.")
    elif address.origin.scheme == "http" and not address.origin.is_loopback:
        why = "not tried: plain http is allowed on this machine only"
        yield warning(NAME, why, "Set PUBLIC_URL to an https address.")
    else:
        yield _try_callbacks(address, settings)


def _try_callbacks(address: ParsedUrl, settings: Settings) -> Result:
    secret = settings.webhook_secret[0].get_secret_value().encode()
    try:
        signed = _post(address, callback_digest(secret, BODY))
        forged = _post(address, callback_digest(secret, FORGED_BODY))
    except UrlRefused:
        why = f"{address.origin} leads to an address that is not on the internet"
        return failed(NAME, why, "Give it a public address, or BFL cannot call.")
    except TransferFailed as error:
        return failed(NAME, f"{address.origin} cannot be reached: {error}", _RUNNING)
    for status in (signed, forged):
        if status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED):
            return failed(NAME, f"{address.origin} answers {status}, unlike Fluxkeep", _RUNNING)
    if signed != HTTPStatus.BAD_REQUEST:
        why = f"a callback signed with WEBHOOK_SECRET is not accepted as one (answer {signed})"
        return failed(NAME, why, "Give every web process the same WEBHOOK_SECRET as here.")
    if forged != HTTPStatus.UNAUTHORIZED:
        why = f"a wrongly signed callback is not refused as one (answer {forged})"
        remedy = "Check which server answers there: it does not seem to be Fluxkeep."
        return failed(NAME, why, remedy)
    return ok(NAME, f"{address.origin} accepts a signed callback and refuses a forged one")


def _post(address: ParsedUrl, signature: bytes) -> int:
    headers = {"Content-Type": "application/json", _SIGNATURE: f"sha256={signature.decode()}"}
    origin = address.origin
    trusted_origins = []
    if origin.scheme == "http" and origin.is_loopback:
        trusted_origins.append(origin)
    with (
        http_client.create_session(*trusted_origins) as session,
        http_client.send_request(
            session, address, seconds=ANSWER_SECONDS, headers=headers, body=BODY
        ) as answer,
    ):
        return int(answer.status_code)
