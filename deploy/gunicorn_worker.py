"""gunicorn's gevent worker with a send time-out, and without echoes of unreadable requests.

Here and not in `receiver/`: gunicorn imports it before gevent has replaced what would block.
"""

import errno
import logging
import socket
import struct
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
SEND_SECONDS = 30.0  # without a single byte taken; then the connection is reset
UNSENT_MAX_BYTES = 128 * 1024  # in the kernel, of each connection
_UNSENT_OPTION: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

log = logging.getLogger(__name__)


class ClientSocket:
    """A client's socket whose sends fail once the client takes nothing for SEND_SECONDS."""

    def __init__(self, client: socket.socket) -> None:
        client.settimeout(SEND_SECONDS)
        if client.family != socket.AF_UNIX and _UNSENT_OPTION is not None:
            # The kernel would take megabytes at once, and a slow client would look like a dead one.
            client.setsockopt(socket.IPPROTO_TCP, _UNSENT_OPTION, UNSENT_MAX_BYTES)
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, data: bytes) -> None:
        """The socket's own `sendall` gives all bytes together so long; here each step has it."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._client.send(rest) :]


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

    def handle_request(self, listener: Any, req: Any, sock: socket.socket, addr: Any) -> Any:
        try:
            client: Any = ClientSocket(sock)
            return super().handle_request(listener, req, client, addr)
        except TimeoutError:
            # What was sent and not taken would keep the connection in the kernel.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            # Not logged with a traceback: gunicorn takes this for a closed connection.
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
