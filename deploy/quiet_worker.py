"""gunicorn's gevent worker, except that nothing of an unreadable request is repeated.

Here and not in `receiver/`: gunicorn imports it before gevent has replaced what would block.
"""

import errno
import logging
import socket
from http import HTTPStatus
from types import FrameType
from typing import Any, cast

import gevent
from gunicorn import util
from gunicorn.http import errors, wsgi
from gunicorn.workers.ggevent import GeventWorker

ANSWERS: dict[type[Exception], HTTPStatus] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}

WHOLE_MAX_BYTES = 64 * 1024

log = logging.getLogger(__name__)


class _Held:
    """A socket that keeps what it is given."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.parts.append(data)


class InOnePiece(wsgi.Response):
    """gunicorn sends the head of an answer, then its body; a short one can leave with its head."""

    def write(self, arg: bytes) -> None:
        if self.headers_sent or self.response_length != len(arg) or len(arg) > WHOLE_MAX_BYTES:
            super().write(arg)
            return
        held, client = _Held(), self.sock
        self.sock = cast(Any, held)
        try:
            super().write(arg)
        finally:
            self.sock = client
        client.sendall(b"".join(held.parts))


wsgi.Response = InOnePiece  # type: ignore[misc]  # `wsgi.create` takes no other


class QuietWorker(GeventWorker):
    """A line that is no header can be half a secret: gunicorn would log it and send it back."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """gunicorn lets requests end by themselves, and those that wait would not."""
        super().handle_exit(sig, frame)
        application: Any = getattr(self, "wsgi", None)
        for part in getattr(application, "extensions", {}).values():
            if close := getattr(part, "close", None):
                # Not in here: a signal can come while somebody holds a lock.
                gevent.spawn(close)

    def handle_request(self, *request: Any) -> Any:
        try:
            return super().handle_request(*request)
        except TimeoutError:
            # Nothing to log a traceback for: it is what a closed connection is.
            raise BrokenPipeError(errno.EPIPE, "the client reads nothing") from None
        finally:
            # A client that is quick to send again would never let another one in.
            gevent.sleep(0)

    def handle_error(self, _request: Any, client: socket.socket, _address: Any, error: Any) -> None:
        status = _status(error)
        log.warning("a request ended in %s: %s", type(error).__name__, status)
        try:
            util.write_error(client, status.value, status.phrase, "")
        except OSError:
            log.debug("the client has gone")


def _status(error: Exception) -> HTTPStatus:
    if not isinstance(error, errors.ParseException):
        return HTTPStatus.INTERNAL_SERVER_ERROR
    return ANSWERS.get(type(error), HTTPStatus.BAD_REQUEST)
