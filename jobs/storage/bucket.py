"""Media in a bucket: uploaded from the local disk to their final keys."""

import logging
import multiprocessing
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import obstore
from obstore.exceptions import BaseError, GenericError

from jobs.domain.errors import InvalidSettings, StorageError, StorageMisconfigured
from jobs.storage import layout
from jobs.storage.base import ListedObject, MediaStorage, ObjectFacts, Verb
from jobs.storage.error_translation import is_missing_bucket, translate_errors
from jobs.storage.limits import START_LIMITS, RequestLimits
from jobs.storage.providers import Provider
from jobs.storage.staging import StagingDirectory, temporary_directory

PART_BYTES = 8 * 2**20  # S3 accepts 5 MiB or more
PARALLEL_PARTS = 2
SMALL_BYTES = 2**20  # arrives soon, also over a slow uplink
CHUNK_BYTES = 256 * 1024
PAGE_SIZE = 1000
PROBE_BYTES = 8
WHOLE_DAY_KEYS = 2 * PAGE_SIZE  # days with fewer objects are read whole
ORDER_NAMES = "dbgacfe"  # of the objects that prove the order of listings, as they are written
ORDER_PROOF_SECONDS = 3600.0
_NOT_PARTIAL = "non-partial response when range requested"  # rclone answers 200 instead of 206

log = logging.getLogger(__name__)


class Order(NamedTuple):
    """Whether a bucket lists in order, as it proved at a time on this process's clock."""

    proven_at: float
    is_proven: bool


class BucketStorage(MediaStorage):
    """A bucket of S3, Google Cloud Storage or Azure, or this process's memory."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._objects = provider.open()
        self._streams = provider.open(streaming=True)
        self._uploads = provider.open(uploading=True)
        self._order: Order | None = None

    @property
    def staging_directory(self) -> StagingDirectory:
        """On this machine's disk."""
        return temporary_directory()

    def publish(self, staged: Path, key: str, name: str = "", sidecar: bytes = b"") -> None:
        """Upload a file of up to PART_BYTES in one request, a larger one as a multipart upload."""
        if sidecar:
            self.write(layout.sidecar_key(key), sidecar)
        with translate_errors(), staged.open("rb") as file:
            store = self._uploads
            if staged.stat().st_size <= SMALL_BYTES:
                store = self._objects
            obstore.put(
                store,
                key,
                file,
                attributes=_headers(key, name),
                chunk_size=PART_BYTES,
                max_concurrency=PARALLEL_PARTS,
            )

    def write(self, key: str, body: bytes) -> None:
        with translate_errors():
            obstore.put(self._objects, key, body, attributes=_headers(key), use_multipart=False)

    def copy(self, source: str, key: str) -> None:
        """Copy within the bucket; over this machine where the server cannot do it."""
        try:
            obstore.copy(self._objects, source, key)
        except (OSError, BaseError):
            super().copy(source, key)

    def facts(self, key: str) -> ObjectFacts | None:
        with translate_errors():
            try:
                head = obstore.head(self._objects, key)
                return ObjectFacts(int(head["size"]), head["last_modified"])
            except FileNotFoundError as error:
                if is_missing_bucket(error):
                    raise
                return None

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        with translate_errors():
            if start == 0 and stop is None:
                yield from obstore.get(self._streams, key).stream(min_chunk_size=CHUNK_BYTES)
                return
            span: Any = (start, stop)
            if stop is None:
                span = {"offset": start}
            try:
                response = obstore.get(self._streams, key, options={"range": span})
            except GenericError as error:
                if _NOT_PARTIAL not in str(error):
                    raise
                yield from cut_range(self.read(key), start, stop)
            else:
                yield from response.stream(min_chunk_size=CHUNK_BYTES)

    def list_objects(self) -> Iterator[ListedObject]:
        for listed in self._list():
            name = listed.key.rpartition("/")[2]
            if not name.startswith("."):
                yield listed

    def _list(self, *directory: str, **options: Any) -> Iterator[ListedObject]:
        for page in self._pages(*directory, **options):
            yield from page

    def _pages(self, *directory: str, **options: Any) -> Iterator[list[ListedObject]]:
        """Some servers quote keys although nobody asked for that; ours need no quotes."""
        prefix = f"{self._provider.prefix}/"
        with translate_errors():
            for page in obstore.list(self._objects, *directory, chunk_size=PAGE_SIZE, **options):
                objects = list[ListedObject]()
                for meta in page:
                    key = meta["path"]
                    if "%" in key:
                        key = unquote(key).removeprefix(prefix)
                    objects.append(ListedObject(key, meta["size"]))
                yield objects

    def list_objects_of(
        self, job_ids: Collection[str], created_at: float
    ) -> Iterator[ListedObject]:
        """List the whole day; of a large one only the jobs, if the bucket lists in order.

        Not every server of S3's protocol does, or knows `start-after`.
        """
        names = frozenset(job_ids)
        objects = dict[str, ListedObject]()  # some servers list a key twice
        for count, listed in enumerate(self._list(layout.day_of(created_at))):
            if count == WHOLE_DAY_KEYS:
                of_jobs = self._list_in_order(names, created_at)
                if of_jobs is not None:
                    yield from of_jobs
                    return
            if layout.kind_of(listed.key) and layout.job_id_of(listed.key) in names:
                objects[listed.key] = listed
        yield from objects.values()

    def _list_in_order(
        self, job_ids: Iterable[str], created_at: float
    ) -> list[ListedObject] | None:
        """List from each job's prefix on, in a request for each; None without an order."""
        if not self.lists_in_order():
            return None
        objects = list[ListedObject]()
        for job_id in job_ids:
            prefix = layout.job_key_prefix(job_id, created_at)
            listed_from_prefix = self._list_from(prefix)
            if listed_from_prefix is None:
                log.warning("storage: the bucket does not list in order; whole days are read")
                self._order = Order(time.monotonic(), is_proven=False)
                return None
            for listed in listed_from_prefix:
                if layout.kind_of(listed.key) and layout.job_id_of(listed.key) == job_id:
                    objects.append(listed)
        return objects

    def _list_from(self, prefix: str) -> list[ListedObject] | None:
        """The objects whose keys begin like this; None if the answer is not in order."""
        objects = list[ListedObject]()
        previous = prefix
        directory = prefix.rpartition("/")[0]
        for page in self._pages(directory, offset=prefix):
            for listed in page:
                if listed.key <= previous:
                    return None
                previous = listed.key
            for listed in page:
                if not listed.key.startswith(prefix):
                    return objects
                objects.append(listed)
        return objects

    def lists_in_order(self) -> bool:
        """Whether the bucket has proven that it lists in order a while ago, or does now."""
        now = time.monotonic()
        if self._order is None or now - self._order.proven_at > ORDER_PROOF_SECONDS:
            try:
                is_proven = self.prove_listing()
            except StorageError:
                is_proven = False
            self._order = Order(now, is_proven)
        return self._order.is_proven

    def prove_listing(self) -> bool:
        """List a few new objects, all and from the middle on; return whether both are in order.

        Raises StorageError, also if one of the new objects is not listed.
        """
        directory = f".probe-{secrets.token_hex(8)}"
        keys = [f"{directory}/.{name}" for name in ORDER_NAMES]
        in_order = sorted(keys)
        middle = len(keys) // 2
        try:
            for key in keys:
                self.write(key, b"{}")
            listed_keys = [listed.key for listed in self._list(directory)]
            keys_behind_middle = [
                listed.key for listed in self._list(directory, offset=in_order[middle])
            ]
        finally:
            for key in keys:
                self.delete(key)
        if set(listed_keys) != set(keys):
            raise StorageError("the bucket does not list all objects that it has")
        return listed_keys == in_order and keys_behind_middle == in_order[middle + 1 :]

    def presign(self, method: Verb, key: str, seconds: int) -> str | None:
        if self._provider.scheme == "memory":
            return None
        with translate_errors():
            return str(obstore.sign(self._objects, method, key, timedelta(seconds=seconds)))

    def delete(self, key: str) -> None:
        with translate_errors():
            try:
                obstore.delete(self._objects, key)
            except FileNotFoundError as error:
                if is_missing_bucket(error):
                    raise


def open_bucket(url: str, variables: Mapping[str, str], limits: RequestLimits) -> BucketStorage:
    """Open the bucket of a URL. Raises InvalidSettings for errors that need no request."""
    return BucketStorage(Provider(url, variables, limits))


def verify(url: str, variables: Mapping[str, str]) -> None:
    """Raise InvalidSettings if the bucket refuses a small object.

    A bucket that does not answer stops no process: callbacks can be recorded without it. A child
    process asks, because obstore's threads would be missing in processes forked from this one.
    """
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(1, mp_context=context) as child:
            child.submit(_probe, url, variables).result()
    except StorageMisconfigured as error:
        raise InvalidSettings(f"MEDIA_URL: {error}") from None
    except (StorageError, BrokenProcessPool) as error:
        log.warning("storage: %s", error)


def _probe(url: str, variables: Mapping[str, str]) -> None:
    open_bucket(url, variables, START_LIMITS).probe(PROBE_BYTES)


def cut_range(chunks: Iterator[bytes], start: int, stop: int | None) -> Iterator[bytes]:
    """Cut a range out of a whole body, for servers that ignore ranges."""
    position = 0  # of the chunk in the body
    for chunk in chunks:
        first = max(start - position, 0)
        end = len(chunk)
        if stop is not None:
            end = max(stop - position, 0)
        piece = chunk[first:end]
        if piece:
            yield bytes(piece)
        position += len(chunk)
        if stop is not None and position >= stop:
            return


def _headers(key: str, name: str = "") -> dict[str, str]:
    content_type = layout.content_type_of(key) or "application/json"
    headers = {"Content-Type": content_type}
    if name:
        disposition = "inline"
        if content_type == layout.OPAQUE:
            disposition = "attachment"
        headers["Content-Disposition"] = f'{disposition}; filename="{name}"'
    return headers
