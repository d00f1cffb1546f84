"""Media in a bucket: uploaded from the local disk piece by piece, and visible only when whole."""

import contextlib
import secrets
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError

from jobs import staging
from jobs.complaint import is_missing_bucket, refusals
from jobs.errors import StorageFailed, WrongStorage
from jobs.media import STAGING, Found, MediaStore, Verb, content_type_of
from jobs.provider import Provider

WHOLE_BYTES = 8 * 2**20  # up to here one request carries it all
PART_BYTES = 5 * 2**20  # the least that S3 takes as a part
PARTS_AT_ONCE = 2
CHUNK_BYTES = 256 * 1024
PAGE = 1000
# Longer than any upload takes; the clock of the bucket and ours may differ by minutes.
ABANDONED_AFTER = timedelta(hours=1)
TIDY_EVERY_SECONDS = 600.0
_SIGNING = frozenset({"s3", "gs", "az"})


class Bucket(MediaStore):
    """Objects of S3, Google Cloud Storage, Azure, or of this process's memory."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._objects = provider.open()
        self._streams = provider.open(streaming=True)
        self._tidied_at = float("-inf")

    def staging(self, job_id: str) -> AbstractContextManager[Path]:
        return staging.staged(job_id)

    def publish(self, staged: Path, key: str, name: str = "") -> bool:
        """Small files in one conditional request, large ones in parts under another name first."""
        headers = _headers(key, name)
        with refusals():
            try:
                if staged.stat().st_size <= WHOLE_BYTES:
                    body = staged.read_bytes()
                    obstore.put(self._objects, key, body, mode="create", attributes=headers)
                else:
                    self._publish_in_parts(staged, key, headers)
            except AlreadyExistsError:
                return False
        return True

    def _publish_in_parts(self, staged: Path, key: str, headers: dict[str, str]) -> None:
        """An upload in parts knows no condition (obstore 0.12), a copy within the bucket does."""
        if self.size(key) is not None:
            raise AlreadyExistsError
        aside = f"{STAGING}/{secrets.token_hex(8)}-{staged.parent.name}"
        try:
            obstore.put(
                self._objects,
                aside,
                _pieces(staged),
                attributes=headers,
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
            # S3 forgets the type of what is copied under a condition, unless it is told again.
            copier = self._provider.open(headers if self._provider.copy_drops_headers else None)
            obstore.copy(copier, aside, key, overwrite=False)
        finally:
            with contextlib.suppress(StorageFailed):
                self.remove(aside)

    def write(self, key: str, body: bytes) -> None:
        with refusals():
            obstore.put(self._objects, key, body, attributes=_headers(key), use_multipart=False)

    def size(self, key: str) -> int | None:
        with refusals():
            try:
                return int(obstore.head(self._objects, key)["size"])
            except FileNotFoundError as error:
                if is_missing_bucket(error):
                    raise
                return None

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        with refusals():
            span: Any = {"offset": start} if stop is None else (start, stop)
            got = obstore.get(self._streams, key, options={"range": span})
            yield from got.stream(min_chunk_size=CHUNK_BYTES)

    def listing(self) -> Iterator[Found]:
        with refusals():
            for page in obstore.list(self._objects, chunk_size=PAGE):
                for meta in page:
                    if not meta["path"].startswith(f"{STAGING}/"):
                        yield Found(meta["path"], meta["size"])

    def presigned(self, method: Verb, key: str, seconds: int) -> str | None:
        if self._provider.scheme not in _SIGNING:
            return None
        with refusals():
            return str(obstore.sign(self._objects, method, key, timedelta(seconds=seconds)))

    def remove(self, key: str) -> None:
        with refusals():
            try:
                obstore.delete(self._objects, key)
            except FileNotFoundError as error:
                if is_missing_bucket(error):
                    raise

    def check(self, size: int) -> None:
        """Also that the bucket keeps the one promise that all others stand on."""
        key, body = f"{STAGING}/check-{secrets.token_hex(8)}", bytes(size)
        with refusals():
            obstore.put(self._objects, key, body, mode="create", use_multipart=False)
        try:
            self._check_kept(key, body)
        except StorageFailed:
            with contextlib.suppress(StorageFailed):
                self.remove(key)
            raise
        self.remove(key)

    def _check_kept(self, key: str, body: bytes) -> None:
        with refusals(), contextlib.suppress(AlreadyExistsError):
            if bytes(obstore.get(self._objects, key).bytes()) != body:
                raise StorageFailed("what was written cannot be read back")
            obstore.put(self._objects, key, b"another", mode="create", use_multipart=False)
            raise WrongStorage("the bucket overwrites objects although it is told not to")

    def drop_abandoned(self) -> int:
        """The local staging each time; the bucket's now and then, for each look there costs."""
        dropped = staging.drop_abandoned()
        if time.monotonic() - self._tidied_at < TIDY_EVERY_SECONDS:
            return dropped
        self._tidied_at = time.monotonic()
        uploads = self.abandoned()
        for key in uploads:
            self.remove(key)
        return dropped + len(uploads)

    def abandoned(self) -> list[str]:
        """Uploads whose worker was killed; what it left on its own disk only it can see."""
        horizon = datetime.now(UTC) - ABANDONED_AFTER
        with refusals():
            pages = obstore.list(self._objects, prefix=STAGING)
            found = [meta for page in pages for meta in page if meta["last_modified"] < horizon]
        return [meta["path"] for meta in found]


def _headers(key: str, name: str = "") -> dict[str, str]:
    """What the bucket shall say of an object when it serves it itself."""
    headers = {"Content-Type": content_type_of(key)}
    if name:
        headers["Content-Disposition"] = f'inline; filename="{name}"'
    return headers


def _pieces(path: Path) -> Iterator[bytes]:
    """Read as they are sent; an error or a signal in between calls the whole upload off."""
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece
