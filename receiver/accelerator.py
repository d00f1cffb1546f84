"""WSGI middleware that serves callbacks without Flask's routing (`CALLBACK_ACCELERATOR`).

Callbacks come in bursts, and Flask's routing and responses take longer than the callback itself.
The middleware calls the same function as the Flask view; Flask's handlers respond to errors.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Flask
from pydantic_core import to_json

from jobs.services import Services
from receiver.schemas.endpoint import JSON
from receiver.webhook import PATH, accept_callback

_TOKEN_PREFIX = f"{PATH}/"


class CallbackAccelerator:
    """Wraps an application whose views accept the same callbacks."""

    def __init__(self, app: Flask, services: Services) -> None:
        self._app, self._services = app, services
        self._wsgi_app = app.wsgi_app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if not _is_callback(environ):
            return self._wsgi_app(environ, start_response)
        token = environ["PATH_INFO"][len(_TOKEN_PREFIX) :] or None
        try:
            body = to_json(accept_callback(self._services, environ, token))
        except Exception as error:  # noqa: BLE001 - Flask's error handlers take every exception
            return self._error_response(error, environ, start_response)
        length = str(len(body))
        start_response("200 OK", [("Content-Type", JSON), ("Content-Length", length)])
        return (body,)

    def _error_response(
        self, error: Exception, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        with self._app.request_context(environ):
            rv = self._app.handle_user_exception(error)
            response = self._app.process_response(self._app.make_response(rv))
            return response(environ, start_response)


def _is_callback(environ: Mapping[str, Any]) -> bool:
    """Only paths that Flask certainly routes to the same views; Flask handles all others."""
    path: str = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] != "POST":
        return False
    token = path.removeprefix(_TOKEN_PREFIX)
    return path == PATH or (path.startswith(_TOKEN_PREFIX) and bool(token) and "/" not in token)
