"""Fluxkeep's callback handler without recording: the upper bound of this stack."""

from flask import Flask, request
from flask.typing import ResponseReturnValue

from jobs import ingest, services
from jobs.bfl import parsing
from jobs.config import settings
from jobs.errors import Unauthorized
from jobs.job import Job
from jobs.report import Report
from jobs.signing import CallbackVerifier
from jobs.store.job_store import JobStore
from jobs.timeouts import Timeouts
from receiver import problem_details, request_body, webhook
from receiver.accelerator import CallbackAccelerator
from receiver.context import AppState


def create_app() -> Flask:
    """The accelerator, without recording."""
    app = _flask()
    app.register_blueprint(webhook.blueprint)
    built = services.for_web(settings.load())
    AppState.build(built).install(app)
    ingest.apply_report = _not_recorded  # type: ignore[assignment]  # takes the same arguments
    app.wsgi_app = CallbackAccelerator(app, built)  # type: ignore[method-assign]
    return app


def _not_recorded(_store: JobStore, report: Report, timeouts: Timeouts, *_more: str | None) -> Job:
    return Job.expected(report.task_id, 0.0, timeouts)


def create_flask_view_app() -> Flask:
    """The same as a plain Flask view."""
    app = _flask()
    verifier = CallbackVerifier(settings.load().webhook_secret)

    @app.post(webhook.PATH)
    def receive_callback() -> ResponseReturnValue:
        raw = request_body.read(webhook.BODY_MAX_BYTES)
        secret, signature = (request.headers.get(name) for name in parsing.AUTHENTICATION_HEADERS)
        if verifier.refusal(secret, signature, raw):
            raise Unauthorized
        return {"id": parsing.parse_callback(raw).task_id}

    return app


def _flask() -> Flask:
    app = Flask("baseline", static_folder=None)
    problem_details.register(app)

    @app.get("/healthz")
    def alive() -> ResponseReturnValue:
        return {"status": "ok"}

    return app
