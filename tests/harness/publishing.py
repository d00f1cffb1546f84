"""Publishing objects in a storage."""

from jobs.storage.base import MediaStorage
from jobs.storage.bucket import PART_BYTES
from jobs.storage.limits import RequestLimits

KEY = "2026/01/01/job-0-1.jpg"
LARGE = PART_BYTES + 1
QUICK = RequestLimits(5.0, 0)


def published(store: MediaStorage, body: bytes, key: str = KEY, name: str = "") -> None:
    with store.staging("job") as path:
        path.write_bytes(body)
        store.publish(path, key, name)
