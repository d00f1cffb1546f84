"""gunicorn's gevent worker, except that nothing of an unreadable request is repeated.

Here and not in `receiver/`: gunicorn imports it before gevent has replaced what would block.
"""

import logging
import socket
from http import HTTPStatus
from typing import Any

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
