"""Search all situations of the simulation, and drawn ones, with fresh seeds: `make search`.

It goes on for as long as it is told. Each finding is printed with its situation, its seed and the
shortest trace that was found; it belongs into a situation with a test of its own. Batches of
schedules run in children, so that the memory stays bounded whatever a run keeps.
"""

import argparse
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from jobs.store.batch_actions import Action
from tests.simulation import (
    archive_faults,
    archive_processes,
    archive_situations,
    exploration,
    situations,
)
from tests.simulation.archive_world import ArchiveWorld
from tests.simulation.batch_world import BatchWorld
from tests.simulation.scheduler import Chooser
from tests.simulation.world import Faults, World

BATCH_SECONDS = 20.0
SHORTEN_SECONDS = 20.0
PROGRESS_SECONDS = 60.0
DRAWN = "drawn"
SITUATIONS: dict[str, Callable[[Chooser], Any]] = {
    **{f"plain: {name}": make for name, make in situations.SITUATIONS.items()},
    **{f"archive: {name}": make for name, make in archive_situations.SITUATIONS.items()},
}
NAMES = (*SITUATIONS, *[DRAWN] * len(SITUATIONS))  # half of all schedules have drawn faults
RACING_CLIENTS = ("racing_editor", "racing_replayer", "deleter_of_many", "racing_walker")
DAY = 86400.0


class Schedule(NamedTuple):
    """A situation and the seed of one run; of a drawn one it decides on the faults, too."""

    situation: str
    seed: int


class Tally(NamedTuple):
    """What a child has done: schedules by situation, and what it found."""

    schedules: dict[str, int]
    findings: list[str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=60.0)
    parser.add_argument("--situation", choices=sorted(set(NAMES)), help="run this one alone")
    parser.add_argument("--seed", type=int, help="with --situation: the only seed")
    given = parser.parse_args()
    if given.seed is not None:
        finding = run(Schedule(given.situation or DRAWN, given.seed))
        print(finding or "no invariant is violated")
        return int(bool(finding))
    return search(given.seconds, [given.situation] if given.situation else list(NAMES))


def search(seconds: float, names: list[str]) -> int:
    """Run batch after batch; 1 if an invariant was violated."""
    ends_at = time.monotonic() + seconds
    progress_at = time.monotonic() + PROGRESS_SECONDS
    schedules, findings = Counter[str](), 0
    while time.monotonic() < ends_at:
        tally = run_in_child(names, min(BATCH_SECONDS, ends_at - time.monotonic()))
        schedules.update(tally.schedules)
        findings += len(tally.findings)
        for text in tally.findings:
            print(text, flush=True)
        if time.monotonic() > progress_at:
            progress_at = time.monotonic() + PROGRESS_SECONDS
            print(f"{schedules.total()} schedules, {findings} findings", flush=True)
    drawn = schedules.pop(DRAWN, 0)
    print(
        f"{schedules.total()} schedules of situations and {drawn} drawn ones: {findings} findings"
    )
    return int(findings > 0)


def run_in_child(names: list[str], seconds: float) -> Tally:
    """Run schedules in a forked process, whose memory ends with it."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_run_batch, args=(names, seconds, sender))
    child.start()
    sender.close()
    try:
        tally: Tally = receiver.recv()
    except EOFError:
        tally = Tally({}, ["a child ended without an answer; it may have been killed"])
    child.join()
    return tally


def _run_batch(names: list[str], seconds: float, sender: Connection) -> None:
    ends_at = time.monotonic() + seconds
    tally = Tally(Counter(), [])
    for schedule in fresh_schedules(names):
        if time.monotonic() > ends_at:
            break
        tally.schedules[schedule.situation] += 1
        if finding := run(schedule):
            tally.findings.append(finding)
    sender.send(tally)


def fresh_schedules(names: list[str]) -> Iterator[Schedule]:
    """Schedules with seeds that nobody has tried, as far as chance goes."""
    while True:
        yield Schedule(secrets.choice(names), secrets.randbelow(2**31))


def run(schedule: Schedule) -> str:
    """Run a schedule; what it violates, with the shortest trace, or nothing."""
    make = drawn(schedule.seed) if schedule.situation == DRAWN else SITUATIONS[schedule.situation]
    title = f"{schedule.situation}, --seed {schedule.seed}: {make!r}"
    try:
        outcome = make(Chooser(schedule.seed)).run()
    except AssertionError as error:
        return f"{title}\n{error}"
    if not outcome.world.violations:
        return ""
    return f"{title}\n{exploration.report(make, outcome, SHORTEN_SECONDS)}"


# Situations that are drawn.


class Draw:
    """Draws faults; most of them are absent, so that those of a run are few."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"faults {seed}")

    def choice(self, *alternatives: Any) -> Any:
        return self._random.choice(alternatives)

    def sometimes(self, *alternatives: Any, default: Any = None, one_in: int = 3) -> Any:
        return self.choice(*alternatives) if self._random.randrange(one_in) == 0 else default

    def sample(self, names: tuple[str, ...], least: int) -> tuple[str, ...]:
        count = self._random.randint(least, len(names))
        return tuple(name for name in names if name in self._random.sample(names, count))


def drawn(seed: int) -> Callable[[Chooser], Any]:
    """The situation of a seed."""
    draw = Draw(seed)
    kind = draw.choice("announced", "submitted", "batch", "archive", "archive")
    if kind == "archive":
        return partial(ArchiveWorld, _faults_over_days(draw), archive_faults=_archive_faults(draw))
    if kind == "batch":
        action = draw.choice(Action.REPLAY, Action.DELETE)
        return partial(BatchWorld, _faults_of_a_batch(draw), action=action)
    models = situations.MODELS if kind == "submitted" else ()
    return partial(World, _faults(draw), models=models)


def _faults(draw: Draw) -> Faults:
    """No deletion beside a failover: that a deletion is forgotten is accepted."""
    failover_at = draw.sometimes(1.5, 2.5, 13.0, one_in=5)
    return Faults(
        kills=draw.choice(0, 1, 2, 3),
        kills_after_publishing=draw.sometimes(1, 2, default=0),
        stalls=draw.sometimes(1, 2, default=0),
        clocks=draw.sometimes(1, 2, default=0),
        bfl=draw.choice(0, 1, 2, 4),
        outage=draw.sometimes((1.5, 65.0), (20.0, 1000.0), (12.0, 40.0)),
        full=draw.sometimes(situations.FULL, one_in=6),
        failover_at=failover_at,
        lost_replies=draw.sometimes(2, 4, default=0),
        storage_errors=draw.sometimes(1, 2, default=0),
        download_seconds=draw.sometimes(5.0, 40.0, default=0.0),
        lost_callbacks=draw.sometimes(True, default=False),
        duplicates=draw.choice(0, 1, 3),
        deleted_at=None if failover_at else draw.sometimes(2.5, 12.5, one_in=4),
        replays=draw.sometimes(True, default=False, one_in=4),
    )


def _faults_of_a_batch(draw: Draw) -> Faults:
    return Faults(
        kills=draw.choice(0, 2, 5),
        stalls=draw.sometimes(1, 2, default=0),
        outage=draw.sometimes((10.5, 70.0)),
        lost_replies=draw.sometimes(2, 6, default=0),
    )


def _faults_over_days(draw: Draw) -> Faults:
    return Faults(
        kills=draw.choice(0, 1, 4),
        stalls=draw.sometimes(1, 3, default=0),
        clocks=draw.sometimes(1, 2, default=0, one_in=5),
        outage=draw.sometimes((3.05 * DAY, 3.1 * DAY), one_in=5),
        lost_replies=draw.sometimes(3, 6, default=0, one_in=4),
    )


def _archive_faults(draw: Draw) -> archive_faults.ArchiveFaults:
    """One loss at most: two at once are more than any copy outlives."""
    loss = draw.choice(
        {},
        {"backup_days": draw.choice(0.5, 1.9)},
        {"backup_days": 7.9, "days": 20.0},
        {"database_lost": True},
        {"redis_days": draw.choice(0.02, 1.0, 4.0)},
        {"redis_lost": True},
    )
    clients = draw.sample(archive_processes.CLIENTS, least=2)
    more: dict[str, Any] = {
        "clients": clients + draw.sample(RACING_CLIENTS, least=0)[:2],
        "jobs": draw.choice(2, 4, 6),
        "seconds_apart": draw.sometimes(3600.0, DAY, default=0.0),
        "sweeps": draw.choice(1, 2),
        "errors": draw.sometimes(2, 6, default=0),
        "late_writes": draw.sometimes(2, default=0, one_in=5),
        "outages": draw.sometimes(2, 6, default=0),
        "stall_seconds": draw.choice(65.0, 1200.0, 3 * DAY + 5),
        "days": draw.choice(6.0, 12.0, 24.0),
    }
    return archive_faults.ArchiveFaults(**{**more, **loss})


if __name__ == "__main__":
    sys.exit(main())
