"""Our own handler with recording taken out: the ceiling of this stack."""

from flask import Flask, request
from flask.typing import ResponseReturnValue

from jobs import bfl, settings
from jobs.errors import Unauthorized
from jobs.signing import CallbackVerifier
from receiver import body, problems
from receiver.callbacks import BODY_MAX_BYTES


def create_app() -> Flask:
    app = Flask("bare", static_folder=None)
    verifier = CallbackVerifier(settings.load().webhook_secret)
    problems.handle(app)

    @app.post("/webhooks/bfl")
    def hear() -> ResponseReturnValue:
        raw = body.read(BODY_MAX_BYTES)
        secret, signature = (request.headers.get(name) for name in bfl.AUTHENTICATION_HEADERS)
        if verifier.refusal(secret, signature, raw):
            raise Unauthorized
        return {"id": bfl.read_callback(raw).task_id}

    @app.get("/healthz")
    def alive() -> ResponseReturnValue:
        return {"status": "ok"}

    return app
