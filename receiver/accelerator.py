"""Accelerator for callbacks: answers them in front of Flask (`CALLBACK_ACCELERATOR=off`: never).

They come in bursts, and Flask's routing and responses take longer than the callback itself.
It calls the same function as the Flask view, and errors are answered by Flask's own handlers.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Flask

from jobs.services import Services
from receiver.schemas.endpoint import JSON
from receiver.webhook import PATH, accept_callback

_TOKENS = f"{PATH}/"


class CallbackAccelerator:
    """WSGI middleware around an application that has the same views."""

    def __init__(self, app: Flask, services: Services) -> None:
        self._app, self._services = app, services
        self._wsgi_app = app.wsgi_app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if not _is_callback(environ):
            return self._wsgi_app(environ, start_response)
        token = environ["PATH_INFO"][len(_TOKENS) :] or None
        try:
            body = json.dumps(accept_callback(self._services, environ, token)).encode()
        except Exception as error:  # noqa: BLE001 - Flask's handlers know all of them
            return self._error(error, environ, start_response)
        length = str(len(body))
        start_response("200 OK", [("Content-Type", JSON), ("Content-Length", length)])
        return (body,)

    def _error(
        self, error: Exception, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        with self._app.request_context(environ):
            answer = self._app.handle_user_exception(error)
            response = self._app.process_response(self._app.make_response(answer))
            return response(environ, start_response)


def _is_callback(environ: Mapping[str, Any]) -> bool:
    """Only what Flask would surely lead to the same views; it decides about all other paths."""
    path: str = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] != "POST":
        return False
    token = path.removeprefix(_TOKENS)
    return path == PATH or (path.startswith(_TOKENS) and bool(token) and "/" not in token)
