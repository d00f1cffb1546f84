"""Check of the storage: publish, read and delete a small object, as a rescue does."""

from collections.abc import Iterator
from contextlib import suppress

from jobs.domain.errors import InvalidSettings, StorageError, StoreUnavailable
from receiver.blocking_calls import run_in_thread
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok, warning

NAME = "storage"
LISTING = "listing"
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


def check_listing(context: Context) -> Iterator[Result]:
    """Deletions and rescues that were interrupted find objects by listing them."""
    try:
        is_in_order = run_in_thread(context.storage.prove_listing)
    except (InvalidSettings, StorageError) as error:
        why = f"objects of deleted jobs could stay: {error}"
        yield warning(LISTING, why, "Check that the key may list the bucket, and ask its provider.")
        return
    if is_in_order:
        yield ok(LISTING, "lists new objects, in order")
    else:
        yield ok(LISTING, "lists new objects, in no order: days of many jobs are read whole")
