"""A directory as storage: links, locks, hard links and days."""

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from jobs.domain.errors import StorageError
from jobs.storage import layout
from jobs.storage.local import LocalStorage
from jobs.storage.staging import ABANDONED_AFTER_SECONDS
from tests.harness.publishing import KEY, published

SAME_DAY = KEY.rpartition("/")[0] + "/another-input-" + "0" * 64 + ".bin"


@pytest.fixture
def directory(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "media")


def staged(directory: LocalStorage) -> list[Path]:
    return list((directory.root / ".staging").iterdir())


def test_no_object_is_missing_while_the_volume_is_not_mounted(directory: LocalStorage) -> None:
    directory.root.rename(directory.root.with_name("volume"))
    directory.root.mkdir()
    for method in (directory.size, directory.delete):
        with pytest.raises(StorageError):
            method(KEY)


def test_only_directories_of_days_are_listed(directory: LocalStorage) -> None:
    published(directory, b"bytes")
    for name in ("lost+found", "2026/notes", "2026/01/01/deeper"):
        (directory.root / name).mkdir(parents=True)
        (directory.root / name / "job-0-1.jpg").touch()
    assert list(directory.list_objects()) == [(KEY, 5)]


def test_a_directory_is_no_object_and_is_not_held_open(directory: LocalStorage) -> None:
    (directory.root / KEY).mkdir(parents=True)
    before = len([*Path("/dev/fd").iterdir()])
    with pytest.raises(StorageError):
        list(directory.read(KEY))
    assert (directory.size(KEY), len([*Path("/dev/fd").iterdir()])) == (None, before)


@pytest.mark.parametrize("link", [KEY, "2026/01/01", "2026"])
def test_a_link_leads_to_no_object(directory: LocalStorage, tmp_path: Path, link: str) -> None:
    published(directory, b"bytes")
    (directory.root / link).rename(tmp_path / "elsewhere")
    (directory.root / link).symlink_to(tmp_path / "elsewhere")
    (directory.root / "secret.txt").symlink_to(tmp_path / "elsewhere")
    assert (directory.size(KEY), directory.local_path(KEY)) == (None, None)
    assert list(directory.list_objects()) == []
    with pytest.raises(StorageError):
        list(directory.read(KEY))
    if link != KEY:
        with pytest.raises(StorageError):
            directory.write(layout.sidecar_key(KEY), b"{}")
        directory.delete(KEY)
        assert [path.name for path in (tmp_path / "elsewhere").rglob("*.*")] == ["job-0-1.jpg"]


@pytest.mark.parametrize("has_locks", [True, False])
def test_a_staged_file_is_dropped_a_minute_after_its_last_byte(
    directory: LocalStorage, monkeypatch: pytest.MonkeyPatch, has_locks: bool
) -> None:
    """Where there are locks, only if its process has ended."""

    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    if not has_locks:
        monkeypatch.setattr(fcntl, "flock", refused)
    with directory.staging("slow") as slow:
        old, new = slow.with_name("old"), slow.with_name("new")
        past = time.time() - ABANDONED_AFTER_SECONDS - 1
        for path, written_at in ((old, past), (slow, past), (new, time.time())):
            path.write_bytes(b"half")
            os.utime(path, (written_at, written_at))
        assert directory.staging_directory.delete_abandoned() == (1 if has_locks else 2)
        assert set(staged(directory)) == ({new, slow} if has_locks else {new})


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_volume_without_hard_links_will_do(
    directory: LocalStorage, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Such a volume cannot be mounted here: refusing the call is all that it does."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refused)
    directory.probe(8)
    published(directory, b"bytes")
    directory.copy(KEY, SAME_DAY)
    assert b"".join(directory.read(KEY)) == b"".join(directory.read(SAME_DAY)) == b"bytes"
    assert (directory.root / SAME_DAY).stat().st_nlink == 1


@pytest.mark.parametrize("depth", [1, 2, 3], ids=["year", "month", "day"])
def test_the_check_fails_where_a_publish_would(directory: LocalStorage, depth: int) -> None:
    """A directory of the day that cannot be written into; a file holds for root as well."""
    path = directory.root.joinpath(*layout.day_of(time.time()).split("/")[:depth])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with pytest.raises(StorageError):
        directory.probe(8)
    assert staged(directory) == [] and path.exists()


def test_a_directory_shares_the_bytes_of_a_copy(directory: LocalStorage) -> None:
    published(directory, b"bytes")
    directory.copy(KEY, SAME_DAY)
    assert (directory.root / SAME_DAY).samefile(directory.root / KEY)
