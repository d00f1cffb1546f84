"""Objects are copied within the storage, and a storage without room says so."""

import os

import pytest
from obstore.exceptions import BaseError

from jobs.domain.errors import StorageError
from jobs.storage.base import MediaStorage
from jobs.storage.bucket import BucketStorage
from tests.harness.publishing import KEY, LARGE, published

OTHER_DAY = "2026/02/03/another-input-" + "0" * 64 + ".bin"
SAME_DAY = KEY.rpartition("/")[0] + "/another-input-" + "0" * 64 + ".bin"


def read(storage: MediaStorage, key: str) -> bytes:
    return b"".join(storage.read(key))


@pytest.mark.parametrize("key", [SAME_DAY, OTHER_DAY])
def test_a_copy_outlives_the_object_that_was_copied(storage: MediaStorage, key: str) -> None:
    body = os.urandom(LARGE)
    published(storage, body)
    for _ in range(2):
        storage.copy(KEY, key)
    assert read(storage, KEY) == read(storage, key) == body
    storage.delete(KEY)
    assert read(storage, key) == body
    assert not list(storage.staging_directory.path.iterdir())


def test_an_object_that_is_gone_cannot_be_copied(storage: MediaStorage) -> None:
    with pytest.raises(StorageError):
        storage.copy(KEY, SAME_DAY)
    assert storage.size(SAME_DAY) is None


def test_a_server_may_not_copy(s3: BucketStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BaseError("not implemented")

    published(s3, b"bytes")
    monkeypatch.setattr("obstore.copy", refuse)
    s3.copy(KEY, OTHER_DAY)
    assert read(s3, OTHER_DAY) == b"bytes"
