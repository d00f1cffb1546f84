"""gunicorn's gevent worker with a send timeout, and without details of malformed requests.

Not in `receiver/`: gunicorn imports this module before gevent patches the standard library.
"""

import errno
import logging
import socket
import struct
from http import HTTPStatus
from types import FrameType
from typing import Any

import gevent
from gunicorn import http, util
from gunicorn.http import errors, wsgi
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from deploy.gunicorn_parser import BoundedParser

STATUS: dict[type[Exception], HTTPStatus] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}

SINGLE_SEND_MAX_BYTES = 64 * 1024
RECEIVED_MAX_BYTES = 64 * 1024  # at once
YIELD_BYTES = 8 * 1024  # what gunicorn asks for: probably more is waiting
SEND_TIMEOUT_SECONDS = 30.0  # without any progress; then the connection is reset
UNSENT_MAX_BYTES = 128 * 1024  # in the kernel, for each connection
_NOTSENT_LOWAT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

log = logging.getLogger(__name__)


class TimeoutSocket:
    """Client socket whose sends fail when the client reads nothing for SEND_TIMEOUT_SECONDS."""

    def __init__(self, client: socket.socket) -> None:
        client.settimeout(SEND_TIMEOUT_SECONDS)
        if client.family != socket.AF_UNIX and _NOTSENT_LOWAT is not None:
            # With megabytes in the kernel's buffer, a slow client would look like a dead one.
            client.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT_MAX_BYTES)
        self._client = client

    def recv(self, size: int) -> bytes:
        """Receive a part, and let others run: gevent does not switch while data wait."""
        data = self._client.recv(min(size, RECEIVED_MAX_BYTES))
        if len(data) >= YIELD_BYTES:
            gevent.sleep(0)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def sendall(self, data: bytes) -> None:
        """Apply the timeout to each send; the socket's own `sendall` applies it to all bytes."""
        unsent = memoryview(data)
        while unsent:
            unsent = unsent[self._client.send(unsent) :]


class SingleSendResponse(wsgi.Response):
    """Send a short body together with its headers; gunicorn sends twice."""

    def write(self, arg: bytes) -> None:
        omits_body: bool = self._omits_body  # type: ignore[attr-defined]  # its stubs are older
        is_whole = not omits_body and self.response_length == len(arg)
        if self.headers_sent or not is_whole or len(arg) > SINGLE_SEND_MAX_BYTES:
            super().write(arg)
            return
        fields = (f"{name}: {value}\r\n" for name, value in self.headers)
        head = "".join([*self.default_headers(), *fields, "\r\n"])
        self.headers_sent, self.sent = True, len(arg)
        self.sock.sendall(head.encode("latin-1") + arg)


# `wsgi.create` and `get_parser` have no parameters for them.
wsgi.Response = SingleSendResponse  # type: ignore[misc]
http.RequestParser = BoundedParser  # type: ignore[misc]


class Worker(GeventWorker):
    """gevent worker that neither logs nor echoes malformed requests: they may hold a secret."""

    sockets: list[Any]

    def patch(self) -> None:
        """Bind the listeners to this process's event loop.

        The master has patched the standard library. To patch it once more reads the metadata of
        all packages, and unshares 3 MB of the loaded application.
        """
        self.sockets = [
            socket.socket(one.FAMILY, socket.SOCK_STREAM, fileno=one.sock.detach())
            for one in self.sockets
        ]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Also close the application: long polls and event streams do not end by themselves."""
        super().handle_exit(sig, frame)
        application: Any = getattr(self, "wsgi", None)
        for extension in getattr(application, "extensions", {}).values():
            if close := getattr(extension, "close", None):
                # Not in the signal handler: the interrupted code may hold a lock.
                gevent.spawn(close)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        # Not by way of GeventWorker, which would remove the timeout.
        timeout_client: Any = TimeoutSocket(client)
        AsyncWorker.handle(self, listener, timeout_client, addr)

    def handle_request(self, listener: Any, req: Any, sock: Any, addr: Any) -> Any:
        try:
            return super().handle_request(listener, req, sock, addr)
        except TimeoutError:
            # Unread data would keep the connection in the kernel.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            # gunicorn treats this error as a closed connection and logs no traceback.
            raise BrokenPipeError(errno.EPIPE, "the client does not read") from None
        finally:
            # Yield: a client with pipelined requests would starve all others.
            gevent.sleep(0)

    def handle_error(self, _request: Any, client: socket.socket, _address: Any, error: Any) -> None:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        if isinstance(error, errors.ParseException):
            status = STATUS.get(type(error), HTTPStatus.BAD_REQUEST)
        log.warning("request failed with %s: %s", type(error).__name__, status)
        try:
            util.write_error(client, status.value, status.phrase, "")
        except OSError:
            log.debug("the client has disconnected")
