"""Read-only S3 server over a directory; moto copies a whole object for each range."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.sandbox.ranges import Span, read_range


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: Any, root: Path) -> None:
        self._root = root
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        """Send by sendfile: the server must cost little."""
        path, span = self._answer()
        with path.open("rb") as file, suppress(ConnectionError):
            self.connection.sendfile(file, span.start, span.stop - span.start)

    def do_PUT(self) -> None:
        """Refuse writes, including the test write at the start of the web process."""
        self.close_connection = True
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self) -> tuple[Path, Span]:
        path = self._root / self.path.lstrip("/")
        size = path.stat().st_size
        span = read_range(self.headers.get("Range"), size)
        assert span is not None
        self.send_response(206 if span.partial else 200)
        if span.partial:
            self.send_header("Content-Range", f"bytes {span.start}-{span.stop - 1}/{size}")
        self.send_header("Content-Length", str(span.stop - span.start))
        self.send_header("ETag", f'"{path.name}"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        return path, span

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def bucket_server(root: Path) -> Iterator[str]:
    """Serve `root/<bucket>/<key>`; yields the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, root=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
