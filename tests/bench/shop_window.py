"""The reading side of a bucket over a directory: moto copies an object whole for each range."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.sandbox.ranges import Span, read_range


class _Window(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: Any, root: Path) -> None:
        self._root = root
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        """Sent by the kernel: what is measured is on the other side."""
        path, span = self._answer()
        with path.open("rb") as file, suppress(ConnectionError):
            self.connection.sendfile(file, span.start, span.stop - span.start)

    def do_PUT(self) -> None:
        """Nothing comes in here; to whoever tries at its start, this is a bucket on a bad day."""
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
        """Nothing to say."""


@contextmanager
def shop_window(root: Path) -> Iterator[str]:
    """Its URL; objects lie in `root` by bucket and key."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Window, root=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
