"""Check of the storage: publish, read and delete a small object, as a rescue does."""

from collections.abc import Iterator
from contextlib import suppress

from jobs.domain.errors import InvalidSettings, StorageError, StoreUnavailable
from receiver.blocking_calls import run_in_thread
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok

NAME = "storage"
SMALL_BYTES = 8
# A full disk still accepts a few bytes: after a refusal of this minute the check writes more.
AFTER_REFUSAL_BYTES = 4 * 2**20

REMEDY = "Check that the storage in MEDIA_URL exists, is writable and has free space."


def check(context: Context) -> Iterator[Result]:
    try:
        size = SMALL_BYTES
        with suppress(StoreUnavailable):
            if context.redis_answers and context.services.metrics.problem(NAME) is not None:
                size = AFTER_REFUSAL_BYTES
        run_in_thread(context.storage.probe, size)
    except (InvalidSettings, StorageError) as error:
        yield failed(NAME, f"cannot be used: {str(error).removeprefix('MEDIA_URL: ')}", REMEDY)
    else:
        yield ok(NAME, "publishes, reads and deletes an object")
