"""Faults of a database and of Redis over days, as processes of a simulated run."""

from dataclasses import dataclass
from typing import Any

from tests.simulation import archive_processes

DAY = 86400.0
OUTAGE_SECONDS = DAY / 2
LATE_SECONDS = 1200.0


@dataclass(frozen=True)
class ArchiveFaults:
    """Faults of the archive in a run, and what its clients do."""

    clients: tuple[str, ...] = archive_processes.CLIENTS
    pauses: tuple[float, ...] = archive_processes.PAUSES  # of clients
    jobs: int = 4
    seconds_apart: float = 0.0  # from one job's creation to the next
    sweeps: int = 2
    idle_seconds: float = archive_processes.IDLE_SECONDS  # of a sweep that nothing is due for
    begins_at: float = 0.0  # clients and sweeps: seconds after the start
    days: float = 12.0
    hot_days: float = 2
    errors: int = 0  # transactions that fail, or whose answer is lost
    late_writes: int = 0  # that begin LATE_SECONDS late
    outages: int = 0  # of the database, of half a day
    backup_days: float | None = None  # the age of a backup that is restored
    database_lost: bool = False
    redis_days: float | None = None  # the age of a snapshot that Redis comes back with
    redis_lost: bool = False
    fault_days: tuple[float, ...] = (3.1, 2.05, 2.5, 4.2, 6.3)  # of one: backup, snapshot, loss
    stall_seconds: float = 65.0


def of(faults: Any) -> list[str]:
    """The processes of a run's faults."""
    wanted = {
        "outages": faults.outages,
        "database_backup": faults.backup_days is not None,
        "database_loss": faults.database_lost,
        "redis_snapshot": faults.redis_days is not None,
        "redis_loss": faults.redis_lost,
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _sleep_some_days(world: Any) -> None:
    days = world.archive_faults.fault_days
    world.scheduler.sleep(days[world.choose(len(days))] * DAY)


def outages(world: Any) -> None:
    """The database is away for half a day, again and again."""
    for _ in range(world.archive_faults.outages):
        world.pause()
        world.scheduler.step("the database is away")
        world.take_away(OUTAGE_SECONDS)
        world.scheduler.sleep(OUTAGE_SECONDS)


def database_backup(world: Any) -> None:
    """A backup is made and restored later. Within HOT_DAYS nothing may be missing."""
    _sleep_some_days(world)
    backup = world.archive.backup()
    world.scheduler.step("a backup of the database")
    world.scheduler.sleep(world.archive_faults.backup_days * DAY)
    world.begin_restore()
    world.archive.restore(backup)
    world.scheduler.step("the backup is restored")
    if world.archive_faults.backup_days > world.archive_faults.hot_days:
        world.accept_losses()


def database_loss(world: Any) -> None:
    """The database is new: what only it had is lost."""
    _sleep_some_days(world)
    world.scheduler.wait(lambda: not world.passes)  # one may rely on a row that it has just read
    world.begin_restore()
    world.archive.empty()
    world.accept_losses()
    world.scheduler.step("the database is lost")


def redis_snapshot(world: Any) -> None:
    """Redis comes back older. Its own losses are accepted, and deletions with them."""
    _sleep_some_days(world)
    snapshot = world.redis.snapshot()
    world.scheduler.step("a snapshot of Redis")
    world.scheduler.sleep(world.archive_faults.redis_days * DAY)
    _restore_redis(world, snapshot)


def redis_loss(world: Any) -> None:
    """Redis is empty."""
    _sleep_some_days(world)
    _restore_redis(world, {})


def _restore_redis(world: Any, snapshot: Any) -> None:
    world.begin_restore()
    world.is_redis_older = True
    world.restore_redis(snapshot)
    remembered = {name for name in world.deleted if world.is_deletion_remembered(name)}
    world.deleted = remembered - world.jobs_anywhere().keys()
    world.accept_losses()
    world.scheduler.step("Redis comes back older")
