"""HTTP server with one thread per connection; `stop` ends all threads and sockets."""

import socket
import struct
import sys
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from io import BufferedReader
from socketserver import TCPServer, ThreadingMixIn
from threading import Event, Lock, Thread, current_thread
from typing import IO, Any, cast

from werkzeug.serving import DechunkedInput

from tests.sandbox import routes
from tests.sandbox.answers import Ending, play
from tests.sandbox.engine import Engine
from tests.sandbox.observations import Request

LISTEN_BACKLOG = 1024
IDLE_SECONDS = 300
POLL_SECONDS = 0.02  # how soon a stop is noticed
# SO_LINGER with zero seconds sends RST instead of FIN.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Handler(BaseHTTPRequestHandler):
    """Read the requests of one connection and send the answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: "Server"

    def answer(self) -> None:
        request = Request(
            time.time(),
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            self._body(),
            self.server.number,
        )
        answer = routes.answer(self.server.engine, request)
        try:
            play(answer, self.wfile, self.server.wait, head_only=self.command == "HEAD")
        finally:
            answer.over()
        if answer.ending is Ending.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        if answer.ending is not Ending.KEEP:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks: Any = DechunkedInput(cast("IO[bytes]", self.rfile))
            return BufferedReader(chunks).read()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing; observations record the requests."""


class Server(ThreadingMixIn, TCPServer):
    """A TCPServer, because HTTPServer looks up its own name in the DNS."""

    allow_reuse_address = True
    request_queue_size = LISTEN_BACKLOG

    def __init__(self, host: str, port: int, engine: Engine, number: int = 0) -> None:
        super().__init__((host, port), Handler)
        self.engine = engine
        self.number = number  # zero is the global host, the others are clusters
        self._stopping = Event()
        self._lock = Lock()
        self._open: dict[Thread, socket.socket] = {}
        self._thread = Thread(
            target=self.serve_forever, args=(POLL_SECONDS,), name="sandbox-server", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Sleep; raises ConnectionAbortedError when the sandbox stops."""
        if seconds > 0 and self._stopping.wait(seconds):
            raise ConnectionAbortedError("the sandbox is stopping")

    def process_request(self, request: Any, client_address: Any) -> None:
        # Registered before it starts, so that `stop` cannot miss it.
        thread = Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="sandbox-connection",
            daemon=True,
        )
        with self._lock:
            self._open[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._open[current_thread()]

    def shutdown_request(self, request: Any) -> None:
        # The default shutdown would send a FIN before the RST.
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == RESET_ON_CLOSE:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore disconnected clients; show any other error."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        self._stopping.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._lock:
            threads = list(self._open)
            for connection in self._open.values():
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
