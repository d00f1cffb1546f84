"""BFL's callbacks: prove the origin, put the report on record, answer, and nothing else."""

from contextlib import suppress

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from jobs import bfl, intake
from jobs.errors import BadReport, BadRequest, StoreUnavailable, Unauthorized
from jobs.refusals import Refusals
from jobs.report import Report
from jobs.store import Store
from receiver import body
from receiver.wiring import wired

BODY_MAX_BYTES = 64 * 1024

blueprint = Blueprint("callbacks", __name__)


@blueprint.post("/webhooks/bfl")
def hear() -> ResponseReturnValue:
    """200 once the report is on record, whatever it says: asking again would be pointless."""
    services, callbacks = wired().services, wired().callbacks
    raw = _whole_body(services.store)
    secret, signature = (request.headers.get(name) for name in bfl.AUTHENTICATION_HEADERS)
    if refusal := callbacks.refusal(secret, signature, raw):
        _note(services.refusals, raw, refusal)
        raise Unauthorized
    job = intake.accept(services.store, _read(services.store, raw), services.settings.patience)
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


def _note(refusals: Refusals, raw: bytes, reason: str) -> None:
    """Beside the record of a job we know, never in it: an unproven body changes nothing."""
    with suppress(StoreUnavailable):
        refusals.note(_claimed_id(raw), reason)


def _claimed_id(raw: bytes) -> str | None:
    try:
        return bfl.read_callback(raw).task_id
    except BadReport:
        return None
