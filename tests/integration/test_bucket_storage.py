"""A bucket: how it is entered, what it is told, and what it says when it refuses."""

import errno
import os
import time
from io import FileIO
from pathlib import Path

import pytest

from jobs.domain.errors import StorageError, StorageMisconfigured
from jobs.storage import staging
from jobs.storage.bucket import PART_BYTES, BucketStorage
from jobs.storage.providers import Provider
from tests.harness import S3Server, TestBucket
from tests.harness.local_worker import LocalWorker
from tests.harness.publishing import KEY, LARGE, QUICK, published
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


def test_the_staging_is_closed_to_other_users(s3: BucketStorage) -> None:
    with s3.staging("job") as path:
        assert path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("size", [100, LARGE])
def test_objects_have_type_and_name(s3: BucketStorage, bucket: TestBucket, size: int) -> None:
    published(s3, bytes(size), KEY.replace("jpg", "mp4"), "flux.mp4")
    headers = bucket.headers(KEY.replace("jpg", "mp4"))
    assert headers["Content-Type"] == "video/mp4"
    assert headers["Content-Disposition"] == 'inline; filename="flux.mp4"'


def test_a_large_file_is_uploaded_in_parts(s3: BucketStorage, bucket: TestBucket) -> None:
    published(s3, bytes(LARGE))
    assert "uploadId=" in bucket.server.log.read_text()
    assert list(bucket.sizes()) == [KEY]
    assert "<Upload>" not in bucket.unfinished_uploads()


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
