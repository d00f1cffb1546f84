"""Objects are copied within the storage, and a storage without room says so."""

import os
from pathlib import Path

import pytest
from obstore.exceptions import BaseError

from jobs.domain.errors import StorageError
from jobs.storage.base import MediaStorage
from jobs.storage.bucket import BucketStorage
from jobs.storage.local import LocalStorage
from jobs.storage.providers import Provider
from tests.harness.publishing import KEY, LARGE, QUICK, published

OTHER_DAY = "2026/02/03/another-input-" + "0" * 64 + ".bin"
SAME_DAY = KEY.rpartition("/")[0] + "/another-input-" + "0" * 64 + ".bin"


@pytest.fixture(params=["directory", "s3", "memory"])
def store(request: pytest.FixtureRequest, temporary: Path, tmp_path: Path) -> MediaStorage:
    assert temporary.exists()
    if request.param == "memory":
        return BucketStorage(Provider("memory://", {}, QUICK))
    if request.param == "directory":
        return LocalStorage(tmp_path / "media")
    chosen: MediaStorage = request.getfixturevalue(request.param)
    return chosen


def read(store: MediaStorage, key: str) -> bytes:
    return b"".join(store.read(key))


@pytest.mark.parametrize("key", [SAME_DAY, OTHER_DAY])
def test_a_copy_outlives_the_object_that_was_copied(store: MediaStorage, key: str) -> None:
    body = os.urandom(LARGE)
    published(store, body)
    for _ in range(2):
        store.copy(KEY, key)
    assert read(store, KEY) == read(store, key) == body
    store.delete(KEY)
    assert read(store, key) == body
    assert not list(store.staging_directory.path.iterdir())


def test_an_object_that_is_gone_cannot_be_copied(store: MediaStorage) -> None:
    with pytest.raises(StorageError):
        store.copy(KEY, SAME_DAY)
    assert store.size(SAME_DAY) is None


def test_a_server_that_cannot_copy_gets_the_bytes_again(
    s3: BucketStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise BaseError("not implemented")

    published(s3, b"bytes")
    monkeypatch.setattr("obstore.copy", refuse)
    s3.copy(KEY, OTHER_DAY)
    assert read(s3, OTHER_DAY) == b"bytes"
