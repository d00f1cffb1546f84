"""Situations of jobs on their way into the archive and back: the faults of a run."""

from functools import partial
from typing import Any

from tests.simulation.archive_faults import DAY, ArchiveFaults
from tests.simulation.archive_world import ArchiveWorld
from tests.simulation.world import Faults

PLAIN = Faults(kills=1)
# Its snapshot is older than BFL's callbacks, and its URLs are dead when Redis comes back.
UNSTORED = ArchiveFaults(redis_days=0.02, fault_days=(0.5 / DAY,), days=6)
# Jobs old enough to leave Redis while a sweep has stopped before it writes their rows.
LATE_WRITES = ArchiveFaults(
    clients=("racing_editor",),
    pauses=(60.0, 30.0, 300.0, 900.0),
    idle_seconds=60.0,
    begins_at=DAY + 3600.0,
    days=1.1,
    hot_days=0.001,
    late_writes=6,
)


def situation(faults: Faults = PLAIN, **archive: Any) -> partial[ArchiveWorld]:
    return partial(ArchiveWorld, faults, archive_faults=ArchiveFaults(**archive))


SITUATIONS = {
    "kills and stalls": situation(Faults(kills=4, stalls=2)),
    "clients that race": situation(
        clients=("racing_editor", "racing_replayer", "deleter_of_many", "racing_walker"), jobs=6
    ),
    "sweeps that write late": partial(ArchiveWorld, PLAIN, archive_faults=LATE_WRITES),
    "lost answers of the database": situation(errors=6),
    "outages of the database": situation(outages=4),
    "an hour without Redis": situation(Faults(kills=1, outage=(3.05 * DAY, 3.1 * DAY))),
    "lost replies of Redis": situation(Faults(lost_replies=6)),
    "wrong clocks": situation(Faults(clocks=3)),
    "processes that stop for twenty minutes": situation(Faults(stalls=4), stall_seconds=1200.0),
    "processes that stop for three days": situation(Faults(stalls=4), stall_seconds=3 * DAY + 5),
    "a restored backup": situation(backup_days=1.9),
    "processes that stop for three days, and a restored backup": situation(
        Faults(stalls=6), stall_seconds=3 * DAY + 5, backup_days=1.9
    ),
    "a restored backup of a week": situation(backup_days=7.9, days=20.0),
    "a lost database": situation(database_lost=True),
    "an older Redis": situation(redis_days=1.0),
    "a much older Redis": situation(redis_days=4.0),
    "a much older Redis and jobs of each day": situation(
        clients=("walker", "editor", "late_caller"), jobs=7, seconds_apart=DAY, redis_days=4.0
    ),
    "a Redis from before the end": partial(ArchiveWorld, PLAIN, archive_faults=UNSTORED),
    "a lost Redis": situation(redis_lost=True),
    "a lost Redis and callbacks of weeks ago": situation(
        Faults(kills=2), redis_lost=True, clients=("late_caller", "reader", "editor")
    ),
    "callbacks after the time of tombstones": situation(
        clients=("late_caller", "reader"), days=24.0
    ),
    "callbacks after the time of tombstones, and outages of the database": situation(
        clients=("late_caller", "reader"), days=24.0, outages=6
    ),
    "a lost Redis and outages of the database": situation(redis_lost=True, outages=6),
    "an older Redis and outages of the database": situation(redis_days=1.0, outages=6),
}
