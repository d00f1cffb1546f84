"""The storage: objects appear whole, are never overwritten, and nothing is left beside them."""

import os
import time
from pathlib import Path

import pytest

from jobs.media import ABANDONED_AFTER_SECONDS, EXTENSIONS, MediaStore, object_key

KEY = "2026/01/01/job-0.jpg"
CREATED_AT = 1_767_225_600.0  # that day


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore((tmp_path / "media").as_uri())


def published(store: MediaStore, body: bytes, key: str = KEY) -> bool:
    with store.staging("job") as path:
        path.write_bytes(body)
        return store.publish(path, key)


def staged(store: MediaStore) -> list[Path]:
    return list((store.root / ".staging").iterdir())


def test_a_published_file_is_the_object_and_no_longer_staged(store: MediaStore) -> None:
    assert published(store, b"bytes")
    assert store.local_path(KEY).read_bytes() == b"bytes"
    assert staged(store) == []


def test_an_object_is_never_overwritten(store: MediaStore) -> None:
    assert published(store, b"the first")
    assert not published(store, b"the second")
    assert store.local_path(KEY).read_bytes() == b"the first"
    assert staged(store) == []


def test_what_is_staged_is_gone_when_the_work_breaks_off(store: MediaStore) -> None:
    def breaks_off() -> None:
        with store.staging("job") as path:
            path.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        breaks_off()
    assert staged(store) == []


def test_two_workers_stage_the_same_job_apart(store: MediaStore) -> None:
    with store.staging("job") as one, store.staging("job") as other:
        assert one != other and one.parent == other.parent


@pytest.mark.parametrize("content_type", EXTENSIONS)
def test_what_a_dead_worker_published_is_found(store: MediaStore, content_type: str) -> None:
    assert store.existing("job", CREATED_AT, 0) is None
    key = object_key("job", CREATED_AT, 0, content_type)
    published(store, b"bytes", key)
    assert store.existing("job", CREATED_AT, 0) == (key, content_type)
    assert store.existing("job", CREATED_AT, 1) is None
    assert store.existing("other", CREATED_AT, 0) is None


def test_a_staged_file_is_dropped_a_minute_after_its_last_byte(store: MediaStore) -> None:
    abandoned, in_work = (store.root / ".staging" / name for name in ("old", "new"))
    for path in (abandoned, in_work):
        path.write_bytes(b"half")
    past = time.time() - ABANDONED_AFTER_SECONDS - 1
    os.utime(abandoned, (past, past))
    assert store.drop_abandoned() == 1
    assert staged(store) == [in_work]


def test_deleting_what_is_not_there_is_fine(store: MediaStore) -> None:
    published(store, b"bytes")
    store.delete(KEY)
    store.delete(KEY)
    assert not store.local_path(KEY).exists()
