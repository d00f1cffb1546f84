"""Room in the storage: what nobody could store must not be ordered from BFL, which bills it."""

import threading

from jobs.domain.errors import StorageError, StorageFull
from jobs.storage.base import MediaStorage
from jobs.store.job_store import JobStore
from jobs.store.metrics import Metrics

PROBLEM = "storage"  # the name under which refusals are reported
PROVEN_SECONDS = 15.0
SMALL_BYTES = 8
# A full disk still accepts a few bytes: after a refusal of this minute more is written.
AFTER_REFUSAL_BYTES = 4 * 2**20


class StorageRoom:
    """Tries at most every few seconds whether the storage takes an object."""

    def __init__(self, store: JobStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._lock = threading.Lock()
        self._proven_until = 0.0
        self._proven_bytes = 0

    def require(self, storage: MediaStorage) -> None:
        """Raises StorageError if the storage refuses, StoreUnavailable."""
        has_refused = self._metrics.problem(PROBLEM) is not None
        size = AFTER_REFUSAL_BYTES if has_refused else SMALL_BYTES
        with self._lock:
            now = self._store.now()
            if now < self._proven_until and self._proven_bytes >= size:
                return
            try:
                require_space(storage)
                storage.probe(size)
            except StorageError as error:
                self._proven_until = 0.0
                self._metrics.report_problem(PROBLEM, str(error))
                raise
            self._proven_until, self._proven_bytes = now + PROVEN_SECONDS, size


def require_space(storage: MediaStorage) -> None:
    """Raises StorageFull if a directory has no room for an ordinary file."""
    space = storage.space()
    if space is not None and space.free_bytes < AFTER_REFUSAL_BYTES:
        raise StorageFull("No space left on device")
