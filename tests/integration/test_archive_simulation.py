"""No order of events loses a job on its way into the archive and back, over days."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobs import ingest, job_pages
from jobs.current_jobs import CurrentJobs
from jobs.domain.job import INCARNATION_SECONDS, Job
from jobs.store import commit, deletion
from jobs.store.archiving.moves import ArchiveMoves
from jobs.store.archiving.presence import Presence
from tests.simulation import exploration
from tests.simulation.archive_processes import HOUR
from tests.simulation.archive_situations import SITUATIONS, situation
from tests.simulation.exploration import Protection
from tests.simulation.redis_model import Commands, Flaws
from worker.periodic import archiving, row_comparison

SEEDS = range(2)
# Seeds that found something once, before or after the order of choices changed.
FOUND = [
    ("a much older Redis", seed) for seed in (77000024, 77000038, 77000071, 77000093, 1795614497)
]


@pytest.mark.parametrize("name", SITUATIONS)
def test_random_schedules_keep_every_invariant_of_the_archive(name: str) -> None:
    found = exploration.first_violation(exploration.seeded(SITUATIONS[name], SEEDS))
    assert not found, exploration.report(SITUATIONS[name], found)


@pytest.mark.parametrize(("name", "seed"), FOUND)
def test_schedules_that_found_something_keep_every_invariant(name: str, seed: int) -> None:
    found = exploration.first_violation(exploration.seeded(SITUATIONS[name], range(seed, seed + 1)))
    assert not found, exploration.report(SITUATIONS[name], found)


real_tombstones = deletion.tombstones


def recall_as_a_new_job(self: ArchiveMoves, job: Job) -> bool:
    options = commit.CommitOptions()
    step: Callable[[Job | None, float], Job] = lambda known, _now: known or job  # noqa: E731
    self._redis.delete(*commit.Commit(None, job, options, archives=True).keys()[4:])
    written: bool = self._store.update(job.id, step, options).written
    return written


real_eviction, real_zadd = ArchiveMoves.evict, Commands.zadd
ANY_VERSION: Any = commit.ANY_VERSION


STORED_STAYS = f"""
  AND (jobs.status <> 'stored' OR (excluded.status = 'stored'
    AND excluded.ended_at < jobs.ended_at + {INCARNATION_SECONDS}))"""

PROTECTIONS = {
    "the set of ended jobs": Protection(
        ("I30",), situation(), Flaws(lost_keys=b"fluxkeep:archive_due")
    ),
    "the comparison of record and row": Protection(
        ("I28",), situation(), patch=(row_comparison, "is_newer", lambda _job, _row: False)
    ),
    "the time of the last pass": Protection(
        ("I31",),
        SITUATIONS["a much older Redis and jobs of each day"],
        patch=(job_pages, "_is_current", lambda *_: True),
    ),
    "the row decides": Protection(
        ("I29", "I5", "I33"),
        SITUATIONS["a lost Redis and callbacks of weeks ago"],
        patch=(ingest, "_require_no_row", lambda *_: None),
    ),
    "the row decides after eight days": Protection(
        ("I29", "I5", "I33"),
        SITUATIONS["callbacks after the time of tombstones"],
        patch=(ingest, "_require_no_row", lambda *_: None),
    ),
    "callbacks that wait for the archive": Protection(
        ("I29", "I5", "I33"),  # a job that is made anew looks like a recall that is counted
        SITUATIONS["callbacks after the time of tombstones, and outages of the database"],
        patch=(ingest, "_may_be_fetched", lambda *_: True),
    ),
    "the older job of two": Protection(
        ("I29",),
        SITUATIONS["a lost Redis and outages of the database"],
        sql=("\n  AND excluded.created_at < jobs.created_at + 1.0", ""),
        patch=(row_comparison, "is_made_anew", lambda *_: False),
        first_seed=45,
    ),
    "the tombstone of an evicted job": Protection(
        # I6: a job that is announced anew waits for a callback that came long ago.
        ("I29", "I5", "I6"),
        # The database is away most of the time, and jobs leave Redis within hours.
        situation(
            clients=("editor", "deleter"),
            outages=20,
            pauses=(3 * HOUR, 7 * HOUR),
            hot_days=0.1,
            days=6.0,
        ),
        patch=(deletion, "tombstones", lambda job, s="": [] if s else real_tombstones(job)),
        first_seed=4,
    ),
    "the entries of deletions": Protection(
        # I29: a job that is announced while it is deleted finds its old row.
        ("I27", "I24", "I29"),
        situation(),
        Flaws(lost_keys=b"fluxkeep:deletions"),
    ),
    "the look at deletions": Protection(
        ("I27",), situation(), patch=(Presence, "hides", lambda *_: False)
    ),
    "a stored row": Protection(
        ("I26",),
        SITUATIONS["a Redis from before the end"],
        sql=(STORED_STAYS, ""),
        patch=(row_comparison, "is_newer", lambda job, row: job.version > row.version),
    ),
    "the days in Redis": Protection(
        ("I24", "I28"),
        SITUATIONS["a restored backup"],
        patch=(archiving.Archiving, "_evict_at", lambda _self, _job, _proven, now: now),
    ),
    "the time at which Redis saw a row": Protection(
        ("I24",),
        SITUATIONS["processes that stop for three days, and a restored backup"],
        Flaws(lua=(b"math.max(now, written_at)", b"written_at")),
    ),
    "the days of deletions": Protection(
        # I29: the row of the backup is older than the job that was announced since.
        ("I27", "I29"),
        SITUATIONS["a restored backup of a week"],
        patch=(archiving, "BACKUP_DAYS", 0),
    ),
    "the second look at Redis": Protection(
        ("I24", "I25", "I27"),
        situation(),
        patch=(CurrentJobs, "load", lambda _self, rows: {row.job.id: row.job for row in rows}),
    ),
    "a recall that is no new job": Protection(
        ("I33",), situation(), patch=(ArchiveMoves, "recall", recall_as_a_new_job)
    ),
    "the version of an evicted record": Protection(
        ("I28",),
        situation(clients=("racing_editor",)),
        patch=(
            ArchiveMoves,
            "evict",
            lambda self, job: real_eviction(self, replace(job, version=ANY_VERSION)),
        ),
    ),
    "a recall's look at the record": Protection(
        ("I28",),
        situation(clients=("editor", "racing_replayer")),
        Flaws(lua=(b"if redis.call('EXISTS', record_key) == 1 then return 1 end", b"")),
    ),
    "a recall's look at deletions": Protection(
        ("I27",),
        situation(clients=("deleter", "racing_replayer")),
        Flaws(
            lua=(b"if deleted_at and tonumber(deleted_at) >= row_version then return 0 end", b"")
        ),
    ),
    "the order of a row's versions": Protection(
        ("I28",),
        SITUATIONS["sweeps that write late"],
        sql=("excluded.version > jobs.version\n  AND ", ""),
    ),
    "the newest of evicted jobs": Protection(
        ("I31",),
        situation(clients=("walker", "editor"), jobs=6, seconds_apart=3600.0),
        patch=(
            Commands,
            "zadd",
            lambda self, key, *words: real_zadd(self, key, *(w for w in words if w != b"GT")),
        ),
    ),
    "the nearer end of a page": Protection(
        ("I31",),
        situation(clients=("racing_walker", "deleter_of_many", "editor"), jobs=10),
        patch=(job_pages, "max", min),
    ),
}


@pytest.mark.parametrize("name", PROTECTIONS)
def test_a_missing_protection_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PROTECTIONS[name].assert_missed(monkeypatch)
