"""Stored objects of an installation, read without Fluxkeep."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.s3_server import TestBucket

STAGING = ".staging"


class StoredInDirectory:
    """A directory of media: objects by key; staged files are not among them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def sizes(self) -> dict[str, int]:
        found = self.root.rglob("*") if self.root.exists() else ()
        files = [path for path in found if STAGING not in path.parts]
        return {
            str(path.relative_to(self.root)): file.st_size
            for path in files
            if not path.name.startswith(".")
            and (file := _status(path))
            and stat.S_ISREG(file.st_mode)
        }

    def sha256(self, key: str) -> str:
        with (self.root / key).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def replace(self, key: str, body: bytes) -> None:
        (self.root / key).write_bytes(body)

    def remove(self, key: str) -> None:
        (self.root / key).unlink()

    def staged(self, older_than: float) -> list[str]:
        staging = self.root / STAGING
        found = staging.iterdir() if staging.exists() else ()
        return _older(found, older_than)


def _older(paths: Iterable[Path], than: float) -> list[str]:
    return [path.name for path in paths if (file := _status(path)) and file.st_mtime < than]


def _status(path: Path) -> os.stat_result | None:
    """None when a worker has deleted the file since it was listed."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


class StoredInBucket:
    """A bucket, and the local directory in which its bytes are staged."""

    def __init__(self, bucket: TestBucket, temporary: Path) -> None:
        self.bucket, self.temporary = bucket, temporary

    def sizes(self) -> dict[str, int]:
        every = self.bucket.sizes()
        return {key: size for key, size in every.items() if "/." not in key}

    def sha256(self, key: str) -> str:
        return hashlib.sha256(self.bucket.read(key)).hexdigest()

    def read(self, key: str) -> bytes:
        return self.bucket.read(key)

    def replace(self, key: str, body: bytes) -> None:
        self.bucket.replace(key, body)

    def remove(self, key: str) -> None:
        self.bucket.remove(key)

    def staged(self, older_than: float) -> list[str]:
        local = self.temporary.glob("fluxkeep-*/*")
        return _older(local, older_than)


StoredObjects = StoredInDirectory | StoredInBucket


@contextmanager
def a_file_in_place_of(directory: Path) -> Iterator[None]:
    """Nothing can be written into it; unlike permissions that holds for root as well."""
    aside = directory.with_name("aside")
    there = directory.exists()
    if there:
        directory.rename(aside)
    directory.write_bytes(b"")
    try:
        yield
    finally:
        directory.unlink()
        if there:
            aside.rename(directory)
