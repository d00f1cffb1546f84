"""Our own handler with recording taken out: the ceiling of this stack."""

from flask import Flask, request
from flask.typing import ResponseReturnValue

from jobs import bfl, services, settings
from jobs.errors import Unauthorized
from jobs.report import Report
from jobs.signing import CallbackVerifier
from receiver import body, callbacks, problems
from receiver.hearing import BODY_MAX_BYTES, Hearing
from receiver.wiring import Wired


class Forgetful(Hearing):
    """Reads, verifies and understands a callback, and leaves it at that."""

    def _recorded(self, report: Report, job_id: str | None) -> dict[str, str]:
        return {"id": job_id or report.task_id, "status": report.news}


def create_app() -> Flask:
    """The short way past Flask, as it is, but for the record."""
    app = _flask()
    app.register_blueprint(callbacks.blueprint)
    built = services.for_web(settings.load())
    Wired.of(built).install(app)
    app.wsgi_app = callbacks.ShortWay(app, Forgetful(built))  # type: ignore[method-assign]
    return app


def create_plain_app() -> Flask:
    """The same as a view of Flask, as anybody would write it."""
    app = _flask()
    verifier = CallbackVerifier(settings.load().webhook_secret)

    @app.post(callbacks.PATH)
    def hear() -> ResponseReturnValue:
        raw = body.read(BODY_MAX_BYTES)
        secret, signature = (request.headers.get(name) for name in bfl.AUTHENTICATION_HEADERS)
        if verifier.refusal(secret, signature, raw):
            raise Unauthorized
        return {"id": bfl.parse_callback(raw).task_id}

    return app


def _flask() -> Flask:
    app = Flask("bare", static_folder=None)
    problems.handle(app)

    @app.get("/healthz")
    def alive() -> ResponseReturnValue:
        return {"status": "ok"}

    return app
