"""BFL's webhook: verify a callback, apply its report, answer."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from flask import Blueprint, request

from jobs import ingest
from jobs.bfl import parsing
from jobs.errors import (
    BadRequest,
    BodyTooLarge,
    InvalidLink,
    InvalidReport,
    StoreUnavailable,
    TooManyWaiting,
    Unauthorized,
    UnknownJob,
    WrongStatus,
)
from jobs.report import Report
from jobs.services import Services
from jobs.signing import CallbackVerifier, is_signature
from receiver.context import services
from receiver.openapi import examples
from receiver.request_body import is_at_most, is_too_large, received
from receiver.schemas.endpoint import EndpointSpec, RequestBodySpec, ResponseSpec, Tag
from receiver.schemas.responses import CallbackAccepted

PATH = "/webhooks/bfl"
BODY_MAX_BYTES = 2**20  # BFL echoes the prompt, which may be long
UNPROVEN_BODY_MAX_BYTES = 64 * 1024  # also read without authentication, for the job's id alone
LARGE_AT_ONCE = 16  # bodies beyond that size which only their signature can prove
LARGE_WAIT_SECONDS = 5.0

_HEADERS = tuple(
    "HTTP_" + name.upper().replace("-", "_") for name in parsing.AUTHENTICATION_HEADERS
)
_NO_SECRETS = CallbackVerifier(())
_SPEC: dict[str, Any] = {
    "tag": Tag.CALLBACKS,
    "body": RequestBodySpec(body_type=parsing.CALLBACK, examples={"a picture": examples.CALLBACK}),
    "responses": {
        200: ResponseSpec(
            "It is on record.",
            CallbackAccepted,
            example=examples.callback_accepted,
        )
    },
    "errors": (Unauthorized, InvalidReport),
    "security": ("webhookSecret", "webhookSignature"),
}

log = logging.getLogger(__name__)
blueprint = Blueprint("webhook", __name__)
_large_bodies = threading.BoundedSemaphore(LARGE_AT_ONCE)


@blueprint.post(PATH)
@EndpointSpec(operation_id="receiveCallback", summary="Where BFL calls", **_SPEC)
def receive_callback() -> CallbackAccepted:
    """Callback for a job that its caller submitted to BFL; `WEBHOOK_SECRET` authenticates it."""
    return accept_callback(services(), request.environ)


@blueprint.post(f"{PATH}/<token>")
@EndpointSpec(
    operation_id="receiveCallbackForSubmission",
    summary="Where BFL calls about what Fluxkeep submitted",
    **_SPEC,
)
def receive_callback_for_submission(token: str) -> CallbackAccepted:
    """Callback for a job that Fluxkeep submitted: the token names it, its own secret proves it."""
    return accept_callback(services(), request.environ, token)


def accept_callback(
    services: Services, environ: Mapping[str, Any], token: str | None = None
) -> CallbackAccepted:
    """Record what an authentic callback says, in a WSGI environment.

    Raises Unauthorized, BadRequest and its kinds, and StoreUnavailable or Crowded (503: BFL will
    call again).
    """
    verifier, job_id = _expected_sender(services, token)
    body = _authentic_body(services, environ, verifier, job_id)
    report = _parse(services, body)
    return _apply(services, report, job_id)


def _expected_sender(services: Services, token: str | None) -> tuple[CallbackVerifier, str | None]:
    if token is None:
        return CallbackVerifier(services.settings.webhook_secret), None
    try:
        job_id = services.tokens.read(token)
    except InvalidLink:
        return _NO_SECRETS, None
    return services.tokens.verifier(job_id), job_id


def _authentic_body(
    services: Services, environ: Mapping[str, Any], verifier: CallbackVerifier, job_id: str | None
) -> bytes:
    """The body, once it is proven. The secret header is checked before anything is read."""
    secret, signature = (environ.get(name) for name in _HEADERS)
    if verifier.knows_secret(secret):
        return _read(services, environ, BODY_MAX_BYTES)
    if is_signature(signature):
        with _place_for_large_body(environ):
            body = _read(services, environ, BODY_MAX_BYTES)
    else:
        body = _unproven_body(services, environ)
    if refusal := verifier.refusal(secret, signature, body):
        claimed = parsing.claimed_task_id(body[:UNPROVEN_BODY_MAX_BYTES])
        _note_refusal(services, job_id or claimed, refusal)
        log.info("callback refused: %s", refusal)
        raise Unauthorized
    return body


@contextmanager
def _place_for_large_body(environ: Mapping[str, Any]) -> Iterator[None]:
    """Bound the memory that senders can take with a signature that may turn out to be wrong."""
    if is_at_most(environ, UNPROVEN_BODY_MAX_BYTES):
        yield
        return
    if not _large_bodies.acquire(timeout=LARGE_WAIT_SECONDS):
        raise TooManyWaiting("Too many large callbacks at once.")
    try:
        yield
    finally:
        _large_bodies.release()


def _unproven_body(services: Services, environ: Mapping[str, Any]) -> bytes:
    """A small body that nothing proves; none where it is larger."""
    if is_too_large(environ, BODY_MAX_BYTES):
        raise BodyTooLarge
    with suppress(BodyTooLarge):
        return _read(services, environ, UNPROVEN_BODY_MAX_BYTES)
    return b""


def _read(services: Services, environ: Mapping[str, Any], max_bytes: int) -> bytes:
    try:
        return received(environ, max_bytes)
    except BadRequest:
        _count(services, "callback_unreadable")
        raise


def _parse(services: Services, body: bytes) -> Report:
    try:
        return parsing.parse_callback(body)
    except InvalidReport:
        _count(services, "callback_malformed")
        raise


def _apply(services: Services, report: Report, job_id: str | None) -> CallbackAccepted:
    try:
        job = ingest.apply_report(services.store, report, services.settings.timeouts, job_id)
    except UnknownJob:
        return {"id": job_id or report.task_id, "status": "forgotten"}
    except WrongStatus as error:
        _note_refusal(services, job_id or report.task_id, str(error))
        raise Unauthorized from None
    log.debug("job %s: callback accepted, %s", job.id, job.status)
    return {"id": job.id, "status": job.status}


def _note_refusal(services: Services, job_id: str | None, reason: str) -> None:
    """Beside the record of a known job, never in it: an unproven body changes nothing."""
    with suppress(StoreUnavailable):
        services.refused_callbacks.record(job_id, reason)


def _count(services: Services, counter: str) -> None:
    with suppress(StoreUnavailable):
        services.store.increment({counter: 1})
