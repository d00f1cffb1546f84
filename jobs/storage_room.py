"""Room in the storage: a result that could not be stored must not be ordered, as BFL bills it."""

import threading

from jobs.domain.errors import StorageError, StorageFull
from jobs.storage.base import MediaStorage
from jobs.store.health_probes import HealthProbes
from jobs.store.job_store import JobStore

PROBLEM = "storage"  # the name under which refusals are reported
PROVEN_SECONDS = 15.0
SMALL_BYTES = 8
# A full disk still accepts a few bytes: after a refusal of this minute more is written.
AFTER_REFUSAL_BYTES = 4 * 2**20
FILES_LEAST = 16  # a job's directories, its file and its sidecar, and those of a few more


class StorageRoom:
    """Tries whether the storage takes an object.

    A write is tried at most every few seconds. The space of a disk costs nothing to read: a disk
    that has just filled up must not be noticed by paid jobs.
    """

    def __init__(self, store: JobStore, health_probes: HealthProbes) -> None:
        self._store = store
        self._health_probes = health_probes
        self._lock = threading.Lock()
        self._proven_until = 0.0
        self._proven_bytes = 0

    def require(self, storage: MediaStorage) -> None:
        """Raises StorageError if the storage refuses, StoreUnavailable."""
        has_refused = self._health_probes.problem(PROBLEM) is not None
        size = SMALL_BYTES
        if has_refused:
            size = AFTER_REFUSAL_BYTES
        with self._lock:
            now = self._store.now()
            self._require_space(storage)
            if now < self._proven_until and self._proven_bytes >= size:
                return
            try:
                storage.probe(size)
            except StorageError as error:
                self._note_refusal(error)
                raise
            self._proven_until = now + PROVEN_SECONDS
            self._proven_bytes = size

    def _require_space(self, storage: MediaStorage) -> None:
        try:
            require_space(storage)
        except StorageError as error:
            self._note_refusal(error)
            raise

    def _note_refusal(self, error: StorageError) -> None:
        self._proven_until = 0.0
        self._health_probes.report_problem(PROBLEM, str(error))


def require_space(storage: MediaStorage) -> None:
    """Raises StorageError if a directory takes no files, StorageFull if no ordinary file fits.

    The messages are the words of the system itself for a write that it refuses.
    """
    space = storage.space()
    if space is None:
        return
    if space.is_read_only:
        raise StorageError("Read-only file system")
    if space.free_bytes < AFTER_REFUSAL_BYTES:
        raise StorageFull("No space left on device")
    if space.free_files is not None and space.free_files < FILES_LEAST:
        raise StorageFull("No space left on device")
