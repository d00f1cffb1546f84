"""The storage: objects appear whole, and nothing is left beside them."""

import hashlib
import os
import tempfile
from pathlib import Path

import pytest
from obstore.exceptions import BaseError

from jobs.domain.errors import StorageError
from jobs.storage.base import MediaStorage
from jobs.storage.bucket import BucketStorage
from jobs.storage.layout import EXTENSIONS, companion_keys, object_key, sidecar_key
from jobs.storage.local import LocalStorage
from tests.harness.publishing import KEY, LARGE, published
from tests.harness.s3_server import PAGE_KEYS

CREATED_AT = 1_767_225_600.0  # that day


def read(storage: MediaStorage, key: str = KEY) -> bytes:
    return b"".join(storage.read(key))


def staged(storage: MediaStorage) -> list[Path]:
    if isinstance(storage, LocalStorage):
        return list((storage.root / ".staging").iterdir())
    return list(Path(tempfile.gettempdir()).glob("fluxkeep-*/*"))


def test_a_published_file_is_the_object_and_no_longer_staged(storage: MediaStorage) -> None:
    assert storage.size(KEY) is None
    with pytest.raises(StorageError):
        read(storage)
    published(storage, b"bytes")
    assert (read(storage), storage.size(KEY)) == (b"bytes", 5)
    assert staged(storage) == []


@pytest.mark.parametrize("size", [0, 5, LARGE])
def test_an_object_has_a_digest_and_parts(storage: MediaStorage, size: int) -> None:
    body = bytes(n % 251 for n in range(size))
    published(storage, body)
    for start, stop in ((1_000_000, 1_000_007), (LARGE - 10, None)) if size == LARGE else ():
        assert b"".join(storage.read(KEY, start, stop)) == body[start:stop]
    assert storage.sha256(KEY) == hashlib.sha256(body).hexdigest()
    with storage.local_copy(KEY) as path:
        assert path.read_bytes() == body
    assert staged(storage) == []


def test_a_sidecar_is_replaced_atomically_and_deleted_with_its_object(
    storage: MediaStorage,
) -> None:
    published(storage, b"bytes")
    for body in (b'{"a": 1}', b"{}"):
        storage.write(sidecar_key(KEY), body)
        assert read(storage, sidecar_key(KEY)) == body
    assert staged(storage) == []
    for _ in range(2):
        storage.delete_with_companions(KEY)
        assert storage.size(KEY) is None and storage.size(sidecar_key(KEY)) is None


def test_only_what_earlier_workers_left_is_superseded(storage: MediaStorage) -> None:
    """Neither what the record names, nor a later worker's, nor that of a similar job."""
    named, left, companion_alone, later = (
        object_key("job", CREATED_AT, n, token, "image/png")
        for n, token in ((0, 5), (1, 4), (2, 5), (0, 6))
    )
    others = [object_key(name, CREATED_AT, 0, 1, "video/mp4") for name in ("job-0", "jo", "job2")]
    for key in (named, left, companion_alone, later, *others):
        published(storage, b"bytes", key)
        for companion in companion_keys(key):
            storage.write(companion, b"{}")
    storage.delete(companion_alone)
    before = {found.key for found in storage.list_objects()}
    storage.delete_superseded("job", CREATED_AT, 5, {named})
    gone = before - {found.key for found in storage.list_objects()}
    assert gone == {left, *companion_keys(left), *companion_keys(companion_alone)}


def test_what_is_staged_is_gone_when_the_work_breaks_off(storage: MediaStorage) -> None:
    def breaks_off() -> None:
        with storage.staging("job") as path:
            path.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        breaks_off()
    assert staged(storage) == []


def test_staged_files_are_kept(storage: MediaStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    with storage.staging("job") as one, storage.staging("job") as other:
        one.write_bytes(b"one")
        assert other.read_bytes() == b""
    monkeypatch.setattr("secrets.token_hex", lambda _bytes: "the same")
    with storage.staging("job") as path:
        path.write_bytes(b"another worker's")
        with pytest.raises(StorageError), storage.staging("job"):
            pass
        assert path.read_bytes() == b"another worker's"


@pytest.mark.parametrize("content_type", EXTENSIONS)
def test_the_objects_of_one_job_are_listed(storage: MediaStorage, content_type: str) -> None:
    assert list(storage.list_objects_of(("job",), CREATED_AT)) == []
    key = object_key("job", CREATED_AT, 0, 7, content_type)
    published(storage, b"bytes", key)
    published(storage, b"bytes", object_key("job-1", CREATED_AT, 0, 7, content_type))
    assert list(storage.list_objects_of(("job",), CREATED_AT)) == [(key, 5)]
    assert list(storage.list_objects_of(("job",), CREATED_AT - 86400)) == []
    assert list(storage.list_objects_of(("other",), CREATED_AT)) == []


def test_all_objects_are_listed_and_nothing_that_is_staged(storage: MediaStorage) -> None:
    storage.probe(100_000)
    assert staged(storage) == [] and list(storage.list_objects()) == []
    if isinstance(storage, LocalStorage):
        assert [path.name for path in storage.root.iterdir()] == [".staging"]
    keys = [f"2026/{month:02}/01/job-{n}-1.jpg" for month in range(1, 4) for n in range(2)]
    for key in keys:
        published(storage, b"bytes", key)
    storage.write(sidecar_key(keys[0]), b"{}")
    with storage.staging("job") as path:
        path.write_bytes(b"half")
        found = sorted(storage.list_objects())
    expected = [*((key, 5) for key in keys), (sidecar_key(keys[0]), 2)]
    assert found == sorted(expected)


def test_a_long_listing_is_complete(storage: MediaStorage) -> None:
    for n in range(PAGE_KEYS + 10):
        storage.write(f"2026/01/01/job{n}-0-1.json", b"{}")
    assert len({found.key for found in storage.list_objects()}) == PAGE_KEYS + 10


OTHER_DAY = "2026/02/03/another-input-" + "0" * 64 + ".bin"
SAME_DAY = KEY.rpartition("/")[0] + "/another-input-" + "0" * 64 + ".bin"


@pytest.mark.parametrize("key", [SAME_DAY, OTHER_DAY])
def test_a_copy_outlives_the_object_that_was_copied(storage: MediaStorage, key: str) -> None:
    with pytest.raises(StorageError):
        storage.copy(KEY, key)
    assert storage.size(key) is None
    body = os.urandom(LARGE)
    published(storage, body)
    for _ in range(2):
        storage.copy(KEY, key)
    assert read(storage, KEY) == read(storage, key) == body
    storage.delete(KEY)
    assert read(storage, key) == body
    assert not list(storage.staging_directory.path.iterdir())


def test_a_server_may_not_copy(s3: BucketStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BaseError("not implemented")

    published(s3, b"bytes")
    monkeypatch.setattr("obstore.copy", refuse)
    s3.copy(KEY, OTHER_DAY)
    assert read(s3, OTHER_DAY) == b"bytes"
