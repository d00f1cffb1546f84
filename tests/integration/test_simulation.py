"""No order of events loses a job: the real steps and scripts over models, in every order."""

from functools import partial

import pytest

import worker.claim
from jobs import batch_actions, task_hosts
from jobs.domain import job as job_module
from jobs.domain import submission
from jobs.store.late_objects import LateObjectsNote
from tests.simulation import exploration
from tests.simulation.exploration import Protection
from tests.simulation.redis_model import Flaws
from tests.simulation.scheduler import Chooser
from tests.simulation.situations import FULL, SITUATIONS, submissions
from tests.simulation.world import Faults, World
from worker import published_objects
from worker.periodic import batch_actions as sweeps
from worker.periodic import late_objects

VERSION_CHECK = (
    b"if version_of(current) ~= expected_version then return {time, CONFLICT, current} end"
)
CAPACITY_CHECK = (
    b"if not redis.call('ZSCORE', set, job_id) and redis.call('ZCARD', set) >= capacity then"
)
CLOCK_CHECK = b"if math.abs(difference) > tolerated_difference then"
SYSTEMATIC_POSITIONS = 24
SEEDS = range(6)

FIRST_WRITE = b"if not current then redis.call('SET', record_key, record) end"


@pytest.mark.parametrize("name", SITUATIONS)
def test_random_schedules_keep_every_invariant(name: str) -> None:
    found = exploration.first_violation(exploration.seeded(SITUATIONS[name], SEEDS))
    assert not found, exploration.report(SITUATIONS[name], found)


@pytest.mark.parametrize("models", [(), ("flux-dev",)], ids=["announced", "submitted"])
def test_every_schedule_with_one_deviation_keeps_every_invariant(models: tuple[str, ...]) -> None:
    make = partial(World, Faults(kills=1, stalls=1, duplicates=1), models=models)
    found = exploration.first_violation(exploration.systematic(make, SYSTEMATIC_POSITIONS))
    assert not found, exploration.report(make, found)


def test_the_same_seed_gives_the_same_trace() -> None:
    first, second = (SITUATIONS["submissions"](Chooser(3)).run() for _ in range(2))
    assert len(first.trace) > 50
    assert first.trace == second.trace


admit = submission.admit


PROTECTIONS = {
    "the version check": Protection(
        "I5",  # by I4
        SITUATIONS["kills and stalls"],
        Flaws(lua=(VERSION_CHECK, b"")),
    ),
    "the set of due jobs": Protection(
        "I3", SITUATIONS["kills and stalls"], Flaws(lost_keys=b"fluxkeep:due")
    ),
    "tombstones": Protection(
        "I12", SITUATIONS["a deletion among callbacks"], Flaws(lost_keys=b"fluxkeep:tombstone:")
    ),
    "the looks for late objects": Protection(
        "I12",
        SITUATIONS["a deletion during a download"],
        patch=(late_objects, "_delete_late_objects", lambda _services, _jobs: None),
    ),
    "the note of a deletion": Protection(
        "I12",
        SITUATIONS["a deletion during a download"],
        Flaws(lost_keys=b"fluxkeep:late_objects"),
    ),
    "later looks for late objects": Protection(
        "I12",
        partial(World, Faults(kills_after_publishing=1, deleted_at=12.5, download_seconds=80.0)),
        patch=(LateObjectsNote, "next_look", lambda _deleted, _now: None),
    ),
    "the lease": Protection(
        "I7",
        partial(World, Faults(kills=2, stalls=2, duplicates=2)),
        patch=(job_module, "LEASE_SECONDS", 1e7),
    ),
    "the fencing token": Protection(
        "I8",
        SITUATIONS["a download longer than a lease"],
        patch=(worker.claim, "_holder", lambda _job: None),
    ),
    "the deletion of superseded objects": Protection(
        "I9",
        SITUATIONS["a download longer than a lease"],
        Flaws(lost_keys=b"fluxkeep:late_objects"),  # the later looks delete them as well
        patch=(published_objects, "_delete_superseded", lambda _services, _job: None),
    ),
    "the record of what is sent": Protection(
        "I13",
        SITUATIONS["submissions"],
        patch=(submission, "admit", lambda *args: admit(*args).with_submission(sent_at=None)),
    ),
    "the mark of the claim that sends": Protection(
        "I13", partial(submissions, Faults()), patch=(worker.claim, "token_hex", lambda _bytes: "")
    ),
    "the capacity check": Protection(
        "I14",
        partial(submissions, Faults(bfl=2), workers=4),
        Flaws(lua=(CAPACITY_CHECK, b"if false then")),
    ),
    "the order of a commit's writes": Protection(
        "I21",
        partial(submissions, Faults(full=FULL)),
        Flaws(lua=(FIRST_WRITE, b"redis.call('SET', record_key, record)")),
    ),
    "the last look": Protection(
        "I22",
        partial(World, Faults(outage=(20.0, 1000.0), download_seconds=40.0)),
        patch=(job_module, "LAST_LOOK_SECONDS", 0.0),
    ),
    "the moment at which a batch begins": Protection(
        "I35",
        SITUATIONS["a batch of rescues"],
        patch=(batch_actions, "includes", lambda batch, job: batch.search.matches(job)),
    ),
    "the listing before a batch deletes": Protection(
        "I35",
        SITUATIONS["a batch of deletions"],
        patch=(sweeps, "_superseded", lambda _services, _jobs: {}),
    ),
    "the count in the script that changes a job": Protection(
        "I35", SITUATIONS["a batch and lost replies"], patch=(sweeps, "count_done", lambda _id: [])
    ),
    "the learned hosts": Protection(
        "I21",
        SITUATIONS["lost callbacks on a cluster that nobody has named"],
        patch=(task_hosts.TaskHosts, "learned", lambda _hosts: []),
    ),
    "the clock check": Protection(
        "I21", SITUATIONS["wrong clocks"], Flaws(lua=(CLOCK_CHECK, b"if false then"))
    ),
}


@pytest.mark.parametrize("name", PROTECTIONS)
def test_a_missing_protection_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PROTECTIONS[name].assert_missed(monkeypatch)
