"""gunicorn's gevent worker with a send timeout, and without details of malformed requests.

Not in `receiver/`: gunicorn imports this module before gevent patches the standard library.
"""

import errno
import logging
import socket
import struct
from contextlib import nullcontext
from http import HTTPStatus
from types import FrameType
from typing import Any

import gevent
from gunicorn import http, util
from gunicorn.http import errors, wsgi
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker

from deploy.gunicorn_connections import Connections, TimeoutSocket
from deploy.gunicorn_parser import BoundedParser
from jobs.net.ip import unmapped

STATUS: dict[type[Exception], HTTPStatus] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}

SINGLE_SEND_MAX_BYTES = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

log = logging.getLogger(__name__)


class SingleSendResponse(wsgi.Response):
    """Send a short body together with its headers; gunicorn sends twice."""

    def write(self, arg: bytes) -> None:
        omits_body: bool = self._omits_body  # type: ignore[attr-defined]  # its stubs are older
        is_whole = not omits_body and self.response_length == len(arg)
        if self.headers_sent or not is_whole or len(arg) > SINGLE_SEND_MAX_BYTES:
            super().write(arg)
            return
        lines = self.default_headers()
        for name, value in self.headers:
            lines.append(f"{name}: {value}\r\n")
        lines.append("\r\n")
        head = "".join(lines)
        self.headers_sent = True
        self.sent = len(arg)
        self.sock.sendall(head.encode("latin-1") + arg)


# `wsgi.create` and `get_parser` have no parameters for them.
wsgi.Response = SingleSendResponse  # type: ignore[misc]
http.RequestParser = BoundedParser  # type: ignore[misc]


class Worker(GeventWorker):
    """gevent worker that neither logs nor echoes malformed requests: they may hold a secret."""

    sockets: list[Any]
    connections: Connections

    def init_process(self) -> None:
        self.connections = Connections(self.cfg.worker_connections, self.cfg.keepalive)
        super().init_process()

    def patch(self) -> None:
        """Bind the listeners to this process's event loop.

        The master has patched the standard library. To patch it once more reads the metadata of
        all packages, and unshares 3 MB of the loaded application.
        """
        bound_sockets = list[Any]()
        for listener in self.sockets:
            descriptor = listener.sock.detach()
            bound_sockets.append(
                socket.socket(listener.FAMILY, socket.SOCK_STREAM, fileno=descriptor)
            )
        self.sockets = bound_sockets

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Also close the application: long polls and event streams do not end by themselves."""
        super().handle_exit(sig, frame)
        gevent.spawn(self.connections.stop)
        application: Any = getattr(self, "wsgi", None)
        for extension in getattr(application, "extensions", {}).values():
            close = getattr(extension, "close", None)
            if close is not None:
                # Not in the signal handler: the interrupted code may hold a lock.
                gevent.spawn(close)

    def timeout_ctx(self) -> Any:
        """gunicorn's one limit for idle connections and slow heads: the parser has two."""
        return nullcontext()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        timeout_client: Any = TimeoutSocket(client, self.connections)
        if isinstance(addr, tuple):
            # A socket that listens on `::` calls IPv4 clients `::ffff:192.0.2.1`.
            addr = (unmapped(addr[0]), *addr[1:])
        with self.connections.place():
            # Not by way of GeventWorker, which would remove the timeout.
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
