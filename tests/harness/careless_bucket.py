"""A bucket that takes no notice of conditions, as some servers of S3's protocol are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Careless(BaseHTTPRequestHandler):
    kept: bytes = b""

    def do_PUT(self) -> None:
        type(self).kept = self._body()
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(self.kept)

    def do_POST(self) -> None:
        """S3 deletes several objects by one POST."""
        self._body()
        self._answer(b"<DeleteResult></DeleteResult>")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"always-the-same"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@contextmanager
def careless_bucket() -> Iterator[str]:
    """Its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Careless)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
