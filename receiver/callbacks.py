"""BFL's callbacks: prove the origin, put the report on record, answer, and nothing else."""

import logging
from collections.abc import Mapping
from contextlib import suppress

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from jobs import bfl, intake, tracing
from jobs.errors import (
    BadLink,
    BadReport,
    BadRequest,
    StoreUnavailable,
    Unauthorized,
    UnknownJob,
    WrongState,
)
from jobs.refusals import Refusals
from jobs.report import Report
from jobs.signing import CallbackVerifier
from jobs.store import Store
from receiver import body, samples
from receiver.answers import Heard
from receiver.contract import Answer, Body, Contract, Tag
from receiver.wiring import wired

BODY_MAX_BYTES = 64 * 1024
CALLED = Body(kind=bfl.CALLBACK, samples={"a picture": samples.CALLBACK})
HEARD: Mapping[int | str, Answer] = {
    200: Answer(what="It is on record.", kind=Heard, sample=samples.heard)
}
REFUSED = (Unauthorized, BadReport)
PROOFS = ("webhookSecret", "webhookSignature")

blueprint = Blueprint("callbacks", __name__)
log = logging.getLogger(__name__)


@blueprint.post("/webhooks/bfl")
@Contract(
    name="hearFromBfl",
    summary="Where BFL calls",
    tag=Tag.CALLBACKS,
    body=CALLED,
    answers=HEARD,
    errors=REFUSED,
    security=PROOFS,
)
def hear() -> ResponseReturnValue:
    """About a job that its caller submitted to BFL; `WEBHOOK_SECRET` proves it."""
    return _heard(wired().callbacks, None)


@blueprint.post("/webhooks/bfl/<token>")
@Contract(
    name="hearFromBflOfOurs",
    summary="Where BFL calls about what Fluxkeep submitted",
    tag=Tag.CALLBACKS,
    body=CALLED,
    answers=HEARD,
    errors=REFUSED,
    security=PROOFS,
)
def hear_of(token: str) -> ResponseReturnValue:
    """About a job that Fluxkeep submitted: the token names it, a secret of its own proves it."""
    tokens = wired().services.tokens
    try:
        job_id = tokens.read(token)
    except BadLink:
        return _heard(CallbackVerifier(()), None)
    return _heard(tokens.verifier(job_id), job_id)


def _heard(verifier: CallbackVerifier, job_id: str | None) -> ResponseReturnValue:
    """200 once the report is on record, whatever it says: asking again would be pointless."""
    services = wired().services
    raw = _whole_body(services.store)
    secret, signature = (request.headers.get(name) for name in bfl.AUTHENTICATION_HEADERS)
    if refusal := verifier.refusal(secret, signature, raw):
        log.info("a callback was refused: %s", refusal)
        _note(services.refusals, job_id or _claimed_id(raw), refusal)
        raise Unauthorized
    report = _read(services.store, raw)
    span = tracing.Beginning("callback")
    try:
        job = intake.accept(
            services.store, report, services.settings.patience, job_id, span.traceparent
        )
    except UnknownJob:
        return {"id": job_id or report.task_id, "status": "forgotten"}
    except WrongState:
        _note(services.refusals, job_id, "names the task of another job")
        raise Unauthorized from None
    span.end(job.id, job.trace)
    log.info("job %s: callback heard, %s", job.id, job.state)
    return {"id": job.id, "status": job.state}


def _whole_body(store: Store) -> bytes:
    try:
        return body.read(BODY_MAX_BYTES)
    except BadRequest:
        with suppress(StoreUnavailable):
            store.count({"callback_unreadable": 1})
        raise


def _read(store: Store, raw: bytes) -> Report:
    try:
        return bfl.read_callback(raw)
    except BadReport:
        with suppress(StoreUnavailable):
            store.count({"callback_malformed": 1})
        raise


def _note(refusals: Refusals, job_id: str | None, reason: str) -> None:
    """Beside the record of a job we know, never in it: an unproven body changes nothing."""
    with suppress(StoreUnavailable):
        refusals.note(job_id, reason)


def _claimed_id(raw: bytes) -> str | None:
    try:
        return bfl.read_callback(raw).task_id
    except BadReport:
        return None
