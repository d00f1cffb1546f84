"""The storage: a few bytes are written, read back and deleted."""

from jobs.errors import InvalidSettings, StorageFailed
from jobs.services import storage
from jobs.settings import Settings
from receiver.doctor.finding import Finding, failed, ok
from receiver.health import FEW_BYTES

PART = "storage"


def look(settings: Settings) -> Finding:
    try:
        storage(settings).check(FEW_BYTES)
    except (InvalidSettings, StorageFailed) as error:
        why = str(error).removeprefix("MEDIA_URL: ")
        remedy = "See that MEDIA_URL names a place that exists, has room and lets us write."
        return failed(PART, f"cannot be used: {why}", remedy)
    return ok(PART, "takes, gives and deletes a file")
