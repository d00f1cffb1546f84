"""The application factory: nothing is built before it is called."""

import sys

from flask import Flask, Response

from jobs import services
from jobs.config import settings
from jobs.errors import FluxkeepError
from jobs.observability import setup
from jobs.services import Services
from receiver import cli, dashboard, health, media, metrics, problem_details, rate_limits, webhook
from receiver.accelerator import CallbackAccelerator
from receiver.api import bfl_compat, events, jobs, submissions
from receiver.context import AppState
from receiver.openapi import views as openapi

# gunicorn's own sign that a process cannot boot; with any other it tries again for ever.
GUNICORN_GIVES_UP = 3
HTTPS_SECONDS = 365 * 86400


def create_app(given: Services | None = None) -> Flask:
    """The web application. Without services it reads the settings, and stops if they are wrong."""
    app = Flask("receiver", static_folder=None)
    cli.install(app)
    if given is None and cli.is_listing_commands():
        return app
    built = given or _from_environment()
    app.url_map.merge_slashes = False  # it would answer with a redirect in HTML
    app.url_map.converters["model"] = bfl_compat.ModelPath
    AppState.build(built).install(app)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's own provider has it
    for part in (webhook, submissions, bfl_compat, jobs, events, media, health, metrics, openapi):
        app.register_blueprint(part.blueprint)
    dashboard.install(app, built)
    problem_details.handle(app)
    app.after_request(rate_limits.tell)
    if built.settings.public_url.startswith("https:"):
        app.after_request(_require_https)
    if built.settings.callback_accelerator:
        app.wsgi_app = CallbackAccelerator(app, built)  # type: ignore[method-assign]
    return app


def _require_https(response: Response) -> Response:
    response.headers["Strict-Transport-Security"] = f"max-age={HTTPS_SECONDS}"
    return response


def _from_environment() -> Services:
    try:
        read = settings.load()
        setup.set_up(read, "web")
        return services.for_web(read)
    except FluxkeepError as error:
        sys.stderr.write(f"Fluxkeep cannot start: {error}\n")
        sys.exit(GUNICORN_GIVES_UP)
