"""No order of events loses a job: the real steps and scripts over models, in every order."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

import jobs.job
import worker.claim
from tests.simulation import exploration
from tests.simulation.redis_model import Flaws
from tests.simulation.scheduler import Chooser
from tests.simulation.world import Faults, World
from worker import recovery

VERSION_CHECK = b"if version_of(current) ~= next_argument() then return {time, 0, current} end"
SYSTEMATIC_POSITIONS = 24
SEEDS = range(6)
SEEDS_FOR_FLAWS = range(40)
SECONDS_TO_FIND = 60.0

SITUATIONS = {
    "kills and stalls": Faults(kills=2, stalls=1, duplicates=2),
    "no callback": Faults(kills=3, lost_callbacks=True),
    "a storage that refuses": Faults(stalls=1, storage_errors=2, duplicates=1),
    "a minute without Redis": Faults(kills=1, outage=(1.5, 65.0), duplicates=1),
    "a failover that loses a second": Faults(kills=1, failover_at=2.5, duplicates=1),
    "a download longer than a lease": Faults(download_seconds=40.0, duplicates=1),
    "a deletion among callbacks": Faults(kills=1, duplicates=3, deleted_at=2.5),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_random_schedules_keep_every_invariant(name: str) -> None:
    faults = SITUATIONS[name]

    def make(chooser: Chooser) -> World:
        return World(chooser, faults)

    found = exploration.first_violation(exploration.seeded(make, SEEDS))
    assert not found, exploration.report(make, found)


def test_every_schedule_with_one_deviation_keeps_every_invariant() -> None:
    def make(chooser: Chooser) -> World:
        return World(chooser, Faults(kills=1, stalls=1, duplicates=1))

    found = exploration.first_violation(exploration.systematic(make, SYSTEMATIC_POSITIONS))
    assert not found, exploration.report(make, found)


def test_the_same_seed_gives_the_same_trace() -> None:
    faults = SITUATIONS["kills and stalls"]
    first, second = (World(Chooser(3), faults).run() for _ in range(2))
    assert len(first.trace) > 50
    assert first.trace == second.trace


@dataclass(frozen=True)
class Protection:
    """One protection, the invariant that breaks without it, a situation, how it is taken out."""

    breaks: str
    faults: Faults
    flaws: Flaws = field(default_factory=Flaws)
    patch: tuple[Any, str, Any] | None = None


PROTECTIONS = {
    "the version check": Protection(
        "I5",  # by I4
        SITUATIONS["kills and stalls"],
        Flaws(lua=(VERSION_CHECK, b"next_argument()")),
    ),
    "the set of due jobs": Protection(
        "I3", SITUATIONS["kills and stalls"], Flaws(lost_keys=b"fluxkeep:due")
    ),
    "tombstones": Protection(
        "I12", SITUATIONS["a deletion among callbacks"], Flaws(lost_keys=b"fluxkeep:tombstone:")
    ),
    "the lease": Protection(
        "I7", Faults(kills=2, stalls=2, duplicates=2), patch=(jobs.job, "LEASE_SECONDS", 1e7)
    ),
    "the fencing token": Protection(
        "I8",
        SITUATIONS["a download longer than a lease"],
        patch=(worker.claim, "_holder", lambda _job: None),
    ),
    "the deletion of superseded objects": Protection(
        "I9",
        SITUATIONS["a download longer than a lease"],
        patch=(recovery, "_delete_superseded", lambda _services, _job: None),
    ),
}


@contextmanager
def taken_out(protection: Protection) -> Iterator[None]:
    if protection.patch is None:
        yield
        return
    module, name, flaw = protection.patch
    real = getattr(module, name)
    setattr(module, name, flaw)
    try:
        yield
    finally:
        setattr(module, name, real)


@pytest.mark.parametrize("name", PROTECTIONS)
def test_the_simulation_notices_that_a_protection_is_missing(name: str) -> None:
    protection = PROTECTIONS[name]

    def make(chooser: Chooser) -> World:
        return World(chooser, protection.faults, flaws=protection.flaws)

    began = time.monotonic()
    with taken_out(protection):
        found = exploration.first_violation(exploration.seeded(make, SEEDS_FOR_FLAWS))
        assert found is not None
        report = exploration.report(make, found)
    assert report.startswith(protection.breaks), report
    assert time.monotonic() - began < SECONDS_TO_FIND
    print(f"without {name}:\n{report}")  # noqa: T201 - shown by pytest -s
