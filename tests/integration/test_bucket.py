"""A bucket: how it is entered, what it is told, and what it says when it refuses."""

import errno
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import FileIO
from pathlib import Path

import pytest

from jobs.domain.errors import StorageError, StorageMisconfigured
from jobs.storage import staging
from jobs.storage.bucket import PART_BYTES, SMALL_BYTES, BucketStorage
from jobs.storage.limits import RequestLimits
from jobs.storage.providers import Provider
from tests.harness import S3Server, TestBucket
from tests.harness.local_worker import LocalWorker
from tests.harness.publishing import KEY, LARGE, QUICK, published
from tests.harness.s3_server import CREDENTIALS
from worker.dispatcher import JobDispatcher
from worker.worker import RescueWorker


def test_maintenance_of_an_idle_worker_deletes_what_dead_ones_staged(
    s3: BucketStorage, temporary: Path, worker: LocalWorker
) -> None:
    services = worker.services
    services.storage = s3
    dead = s3.staging_directory.path / "dead.1234"
    dead.write_bytes(b"half")
    past = time.time() - staging.ABANDONED_AFTER_SECONDS - 1
    os.utime(dead, (past, past))
    RescueWorker(services, JobDispatcher(services)).run_maintenance_tasks()
    assert list(temporary.glob("fluxkeep-*/*")) == []


@pytest.mark.parametrize("size", [100, LARGE])
def test_objects_have_type_and_name(s3: BucketStorage, bucket: TestBucket, size: int) -> None:
    published(s3, bytes(size), KEY.replace("jpg", "mp4"), "flux.mp4")
    headers = bucket.headers(KEY.replace("jpg", "mp4"))
    assert headers["Content-Type"] == "video/mp4"
    assert headers["Content-Disposition"] == 'inline; filename="flux.mp4"'
    assert size < LARGE or "uploadId=" in bucket.server.log.read_text(), "in parts"
    assert len(bucket.sizes()) == 1 and "<Upload>" not in bucket.unfinished_uploads()


class BreakingFile(FileIO):
    """A file on a disk that fails after the first part."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= PART_BYTES:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size)


def test_an_upload_that_breaks_off_in_the_middle_is_called_off(
    s3: BucketStorage, bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3.staging("job") as path:
        assert path.parent.stat().st_mode & 0o077 == 0, "closed to other users"
        path.write_bytes(bytes(LARGE))
        monkeypatch.setattr(Path, "open", lambda path, mode: BreakingFile(str(path), mode))
        with pytest.raises(StorageError, match="Input/output error"):
            s3.publish(path, KEY)
    assert bucket.sizes() == {}
    assert "<Upload>" not in bucket.unfinished_uploads()


def test_a_missing_bucket_is_an_error(s3: BucketStorage, s3_server: S3Server) -> None:
    nowhere = BucketStorage(Provider("s3://no-such-bucket", s3_server.variables, QUICK))
    with pytest.raises(StorageMisconfigured, match="the bucket does not exist"):
        nowhere.probe(8)
    with pytest.raises(StorageMisconfigured, match="the bucket does not exist"):
        published(nowhere, b"bytes")
    assert s3.size("nothing.jpg") is None


def test_a_refusal_tells_no_secret_host_or_path(tmp_path: Path) -> None:
    server = S3Server(tmp_path, strict=True)
    try:
        store = BucketStorage(Provider("s3://keep/canary", server.variables, QUICK))
        with pytest.raises(StorageMisconfigured, match="the bucket denies access") as caught:
            store.probe(8)
    finally:
        server.close()
    message = str(caught.value)
    assert not [word for word in ("canary", "127.0.0.1", "s3-key-id") if word in message]


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


def test_a_large_file_has_time_to_arrive_and_a_small_one_is_given_up(slow: BucketStorage) -> None:
    published(slow, bytes(SMALL_BYTES + 1))
    with pytest.raises(StorageError):
        published(slow, bytes(100), KEY)
