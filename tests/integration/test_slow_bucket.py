"""A bucket behind a slow uplink: a large upload has time, a small request is not waited for."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jobs.domain.errors import StorageError
from jobs.storage import RequestLimits
from jobs.storage.bucket import SMALL_BYTES, BucketStorage
from jobs.storage.providers import Provider
from tests.harness.publishing import KEY, published
from tests.harness.s3_server import CREDENTIALS

SLOWNESS_SECONDS = 1.0
IMPATIENT = RequestLimits(0.3, 0)


class _Slow(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(SLOWNESS_SECONDS)
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketStorage]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    yield BucketStorage(
        Provider("s3://slow/kept", {**CREDENTIALS, "AWS_ENDPOINT_URL": url}, IMPATIENT)
    )
    server.shutdown()
    server.server_close()


def test_a_large_file_has_time_to_arrive(slow: BucketStorage) -> None:
    published(slow, bytes(SMALL_BYTES + 1))


def test_a_small_one_is_given_up_at_once(slow: BucketStorage) -> None:
    with pytest.raises(StorageError):
        published(slow, bytes(100), KEY)
