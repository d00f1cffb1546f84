"""Check of DURABILITY: a write is confirmed by disk or replica before a caller gets a 2xx."""

from collections.abc import Iterator

from jobs.store import durability
from jobs.store.clock import unavailable
from jobs.store.durability import Durability
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, ok

NAME = "durability"
_MEANINGS = {
    Durability.MEMORY: "memory: a power cut or a failover can lose the last second",
    Durability.FSYNC: "fsync: acknowledged writes are on the disk of the primary",
    Durability.REPLICA: "replica: acknowledged writes are on a replica",
}
_REASONS = {
    Durability.FSYNC: ("the disk did not confirm a write", "Check the disk of Redis."),
    Durability.REPLICA: ("no replica confirmed a write", "Check that a replica is connected."),
}


def check(context: Context) -> Iterator[Result]:
    """Raises InvalidSettings, StoreUnavailable."""
    level = Durability(context.settings.durability)
    with unavailable():
        is_reached = durability.check(context.services.redis, level)
    if is_reached:
        yield ok(NAME, _MEANINGS[level])
    else:
        why, remedy = _REASONS[level]
        yield failed(NAME, f"{level}: {why} in time, so callbacks are answered with 503", remedy)
