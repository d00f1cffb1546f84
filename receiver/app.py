"""Application factory: nothing is built before it is called."""

import logging
import sys
from importlib import import_module
from typing import Any

import click
import gevent
from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider
from pydantic_core import to_json

from jobs import observability
from jobs.config import settings
from jobs.domain.errors import FluxkeepError
from jobs.services import DatabaseAccess, Services, for_web
from receiver import context, dashboard, health, media, openapi, problem_details, state, webhook
from receiver.api import (
    batch_actions,
    bfl_compat,
    budget,
    costs,
    downloads,
    events,
    jobs,
    repeats,
    submissions,
)
from receiver.auth import present_caller
from receiver.blocking_calls import run_in_database_thread
from receiver.mcp import endpoint as mcp

# gunicorn's exit status for a failed boot; after any other it starts the worker again for ever.
BOOT_FAILED = 3
HSTS_SECONDS = 365 * 86400
VIEWS = (
    webhook,
    submissions,
    repeats,
    bfl_compat,
    jobs,
    batch_actions,
    downloads,
    events,
    costs,
    budget,
    mcp,
    media,
    health,
    openapi,
)


log = logging.getLogger(__name__)


def create_app(services: Services | None = None) -> Flask:
    """Build the application; without services from the settings, and exit if they are wrong."""
    app = Flask("receiver", static_folder=None)
    if click.get_current_context(silent=True):  # of `flask --app receiver`
        cli = import_module("receiver.cli")  # which a web process never needs
        cli.install(app)
        if services is None and cli.is_listing_commands():
            return app
    built = services
    if built is None:
        built = _services_from_environment()
    app.url_map.merge_slashes = False  # it would answer with a redirect in HTML
    app.url_map.converters["model"] = bfl_compat.ModelConverter
    app.extensions[context.NAME] = context.Parts(state.build(built))
    built.reader_origin = context.reader_origin
    app.json = _Json(app)
    for view_module in VIEWS:
        app.register_blueprint(view_module.blueprint)
    dashboard.install(app, built)
    problem_details.register(app)
    if built.settings.public_url.startswith("https:"):
        app.after_request(_add_hsts)
    if built.settings.callback_accelerator:
        app.wsgi_app = webhook.CallbackAccelerator(app, built)  # type: ignore[method-assign]
    app.wsgi_app = webhook.CallbackPaths(app)  # type: ignore[method-assign]
    return app


class _Json(DefaultJSONProvider):
    """pydantic's encoder: for a page of 50 jobs three times as fast as the standard library's."""

    def dumps(self, obj: Any, *, indent: int | None = None, **_: Any) -> str:
        return to_json(obj, indent=indent).decode()


def _add_hsts(response: Response) -> Response:
    response.headers["Strict-Transport-Security"] = f"max-age={HSTS_SECONDS}"
    return response


def _services_from_environment() -> Services:
    try:
        loaded = settings.load()
        observability.configure(loaded, "web")
        for variable in loaded.odd_bfl_keys:
            log.warning("%s %s; BFL may refuse it", variable, settings.ODD_BFL_KEY)
        access = DatabaseAccess(run_in_database_thread, present_caller)
        return for_web(loaded, gevent.sleep, access)
    except FluxkeepError as error:
        sys.stderr.write(f"Fluxkeep cannot start: {error}\n")
        sys.exit(BOOT_FAILED)
