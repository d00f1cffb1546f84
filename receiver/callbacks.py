"""BFL's callbacks: prove the origin, put the report on record, answer, and nothing else."""

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from jobs import bfl, intake
from jobs.errors import Unauthorized
from jobs.signing import CallbackVerifier
from receiver import body
from receiver.wiring import services

BODY_MAX_BYTES = 64 * 1024

blueprint = Blueprint("callbacks", __name__)


@blueprint.post("/webhooks/bfl")
def hear() -> ResponseReturnValue:
    """200 once the report is on record, whatever it says: asking again would be pointless."""
    raw = body.read(BODY_MAX_BYTES)
    wired = services()
    verifier = CallbackVerifier(wired.settings.webhook_secret)
    secret, signature = (request.headers.get(name) for name in bfl.AUTHENTICATION_HEADERS)
    if not verifier.accepts(secret, signature, raw):
        raise Unauthorized
    job = intake.accept(wired.store, bfl.read_callback(raw), wired.settings.patience)
    return {"id": job.id, "status": job.state}
