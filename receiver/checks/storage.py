"""Check of the storage: publish, read and delete a small object, as a rescue does."""

from collections.abc import Iterator
from contextlib import suppress

from jobs.domain.errors import InvalidSettings, StorageError, StoreUnavailable
from jobs.storage.base import Space
from jobs.storage_room import AFTER_REFUSAL_BYTES, PROBLEM, SMALL_BYTES, require_space
from receiver.blocking_calls import run_in_thread
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok, warning

NAME = PROBLEM
LISTING = "listing"
LOW_BYTES = 10**9
LOW_SHARE = 0.05

REMEDY = "Check that the storage in MEDIA_URL exists, is writable and has free space."
LOW_REMEDY = "Make room, or move the media to a larger disk: submissions pause when it is full."


def check(context: Context) -> Iterator[Result]:
    try:
        size = SMALL_BYTES
        with suppress(StoreUnavailable):
            if context.redis_answers and context.services.health_probes.problem(NAME) is not None:
                size = AFTER_REFUSAL_BYTES
        run_in_thread(require_space, context.storage)
        run_in_thread(context.storage.probe, size)
        space = context.storage.space()
    except (InvalidSettings, StorageError) as error:
        yield failed(NAME, f"cannot be used: {str(error).removeprefix('MEDIA_URL: ')}", REMEDY)
        return
    if space is not None and _is_low(space):
        free = f"{space.free_bytes / 1e9:.2f} GB"
        percent = 100 * space.free_bytes / space.total_bytes
        why = f"storage_full soon: {free} are free, {percent:.1f} % of the disk"
        yield warning(NAME, why, LOW_REMEDY)
    else:
        yield ok(NAME, "publishes, reads and deletes an object")


def _is_low(space: Space) -> bool:
    is_short = space.free_bytes < LOW_BYTES
    return is_short or space.free_bytes < LOW_SHARE * space.total_bytes


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
