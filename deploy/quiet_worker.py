"""gunicorn's gevent worker, except that nothing of an unreadable request is repeated.

Here and not in `receiver/`: gunicorn imports it before gevent has replaced what would block.
"""

import errno
import logging
import socket
from http import HTTPStatus
from types import FrameType
from typing import Any

import gevent
from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.ggevent import GeventWorker

ANSWERS: dict[type[Exception], HTTPStatus] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}

log = logging.getLogger(__name__)


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
