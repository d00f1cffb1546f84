"""The storage: objects appear whole, are never overwritten, and nothing is left beside them."""

import hashlib
import os
import tempfile
import time
from pathlib import Path

import pytest

from jobs.bucket import PART_BYTES, WHOLE_BYTES, Bucket
from jobs.directory import ABANDONED_AFTER_SECONDS, Directory
from jobs.errors import StorageFailed
from jobs.media import (
    EXTENSIONS,
    MediaStore,
    Part,
    companions,
    object_key,
    part,
    sidecar_key,
)
from jobs.provider import Limits, Provider

KEY = "2026/01/01/job-0.jpg"
CREATED_AT = 1_767_225_600.0  # that day
LARGE = WHOLE_BYTES + PART_BYTES + 1
QUICK = Limits(5.0, 0)


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "media")


@pytest.fixture(params=["directory", "s3", "memory"])
def store(request: pytest.FixtureRequest, temporary: Path) -> MediaStore:
    assert temporary.exists()
    if request.param == "memory":
        return Bucket(Provider("memory://", {}, QUICK))
    chosen: MediaStore = request.getfixturevalue(request.param)
    return chosen


def published(store: MediaStore, body: bytes, key: str = KEY, name: str = "") -> bool:
    with store.staging("job") as path:
        path.write_bytes(body)
        return store.publish(path, key, name)


def read(store: MediaStore, key: str = KEY) -> bytes:
    return b"".join(store.read(key))


def staged(store: MediaStore) -> list[Path]:
    if isinstance(store, Directory):
        return list((store.root / ".staging").iterdir())
    return list(Path(tempfile.gettempdir()).glob("fluxkeep-*/*"))


def test_a_published_file_is_the_object_and_no_longer_staged(store: MediaStore) -> None:
    assert store.size(KEY) is None
    assert published(store, b"bytes")
    assert (read(store), store.size(KEY)) == (b"bytes", 5)
    assert staged(store) == []


@pytest.mark.parametrize("size", [5, LARGE])
def test_an_object_is_never_overwritten(store: MediaStore, size: int) -> None:
    first, second = b"1" * size, b"2" * size
    assert published(store, first)
    assert not published(store, second)
    assert hashlib.sha256(read(store)).digest() == hashlib.sha256(first).digest()
    assert staged(store) == []


def test_a_part_of_an_object_can_be_read(store: MediaStore) -> None:
    body = bytes(range(256)) * 5000
    published(store, body)
    assert b"".join(store.read(KEY, 1_000_000, 1_000_007)) == body[1_000_000:1_000_007]
    assert b"".join(store.read(KEY, 1_279_990)) == body[-10:]


def test_what_cannot_be_read_is_a_refusal(store: MediaStore) -> None:
    with pytest.raises(StorageFailed):
        read(store)


def test_what_stands_beside_an_object_is_replaced_whole(store: MediaStore) -> None:
    published(store, b"bytes")
    for body in (b'{"a": 1}', b"{}"):
        store.write(sidecar_key(KEY), body)
        assert read(store, sidecar_key(KEY)) == body
    assert staged(store) == []


def test_what_stands_beside_an_object_goes_with_it(store: MediaStore) -> None:
    published(store, b"bytes")
    store.write(sidecar_key(KEY), b"{}")
    store.delete(KEY)
    assert store.size(KEY) is None and store.size(sidecar_key(KEY)) is None


def test_nothing_stays_of_what_was_never_committed(store: MediaStore) -> None:
    mine = [object_key("job", CREATED_AT, n, "image/png") for n in (0, 1)]
    other = object_key("another", CREATED_AT, 0, "image/png")
    for key in (*mine, other):
        published(store, b"bytes", key)
        for companion in companions(key):
            store.write(companion, b"{}")
    store.remove(mine[1])
    store.drop_uncommitted("job", CREATED_AT, 3)
    every = [one for key in mine for one in (key, *companions(key))]
    left = [key for key in every if store.size(key) is not None]
    assert left == [] and store.size(other) == 5


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
        one.write_bytes(b"one")
        assert not other.exists()


@pytest.mark.parametrize("content_type", EXTENSIONS)
def test_what_a_dead_worker_published_is_found(store: MediaStore, content_type: str) -> None:
    assert store.existing("job", CREATED_AT, 0) is None
    key = object_key("job", CREATED_AT, 0, content_type)
    published(store, b"bytes", key)
    assert store.existing("job", CREATED_AT, 0) == (key, content_type)
    assert store.existing("job", CREATED_AT, 1) is None
    assert store.existing("other", CREATED_AT, 0) is None


def test_deleting_what_is_not_there_is_fine(store: MediaStore) -> None:
    published(store, b"bytes")
    store.delete(KEY)
    store.delete(KEY)
    assert store.size(KEY) is None


def test_a_storage_that_works_is_checked_without_leaving_anything(store: MediaStore) -> None:
    store.check(100_000)
    assert staged(store) == []


def test_all_objects_are_listed_and_nothing_that_is_staged(store: MediaStore) -> None:
    assert list(store.listing()) == []
    keys = [f"2026/{month:02}/01/job-{n}.jpg" for month in range(1, 4) for n in range(2)]
    for key in keys:
        published(store, b"bytes", key)
    store.write(sidecar_key(keys[0]), b"{}")
    with store.staging("job") as path:
        path.write_bytes(b"half")
        found = sorted(store.listing())
    expected = [*((key, 5) for key in keys), (sidecar_key(keys[0]), 2)]
    assert found == sorted(expected)


def test_a_long_listing_is_complete(store: MediaStore) -> None:
    for n in range(1100):
        store.write(f"2026/01/01/job{n}-0.json", b"{}")
    assert len({found.key for found in store.listing()}) == 1100


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("2026/01/01/a_b-c-0.jpg", Part.OBJECT),
        ("2026/01/01/a-12.json", Part.NOTE),
        ("2026/01/01/a-0.thumb.webp", Part.THUMBNAIL),
        ("2026/01/01/a.json", None),
        ("package.json", None),
        ("2026/01/01/a-0.exe", None),
        ("2026/01/01/a-0.jpg\n", None),
        ("2026/01/01/../a-0.jpg", None),
    ],
)
def test_what_is_ours_is_known_by_its_key(key: str, meant: Part | None) -> None:
    assert part(key) is meant


# A directory alone.


def test_links_in_a_directory_are_not_followed(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.txt").write_text("x")
    (directory.root / "2026").symlink_to(tmp_path / "elsewhere")
    (directory.root / "secret.txt").symlink_to(tmp_path / "elsewhere" / "secret.txt")
    assert list(directory.listing()) == []


def test_only_days_are_walked_through_whatever_else_stands_in_the_root(
    directory: Directory,
) -> None:
    published(directory, b"bytes")
    for name in ("lost+found", "2026/notes", "2026/01/01/deeper"):
        (directory.root / name).mkdir(parents=True)
        (directory.root / name / "job-0.jpg").touch()
    assert list(directory.listing()) == [(KEY, 5)]


@pytest.mark.parametrize("link", [KEY, "2026/01/01", "2026"])
def test_what_a_link_leads_to_is_no_object(directory: Directory, tmp_path: Path, link: str) -> None:
    published(directory, b"bytes")
    (directory.root / link).rename(tmp_path / "elsewhere")
    (directory.root / link).symlink_to(tmp_path / "elsewhere")
    assert (directory.size(KEY), directory.local_path(KEY)) == (None, None)
    with pytest.raises(StorageFailed):
        read(directory)
    if link != KEY:
        with pytest.raises(StorageFailed):
            directory.write(sidecar_key(KEY), b"{}")
        directory.remove(KEY)
        assert [path.name for path in (tmp_path / "elsewhere").rglob("*.*")] == ["job-0.jpg"]


def test_a_staged_file_is_dropped_a_minute_after_its_last_byte(directory: Directory) -> None:
    abandoned, in_work = (directory.root / ".staging" / name for name in ("old", "new"))
    for path in (abandoned, in_work):
        path.write_bytes(b"half")
    past = time.time() - ABANDONED_AFTER_SECONDS - 1
    os.utime(abandoned, (past, past))
    assert directory.drop_abandoned() == 1
    assert staged(directory) == [in_work]
