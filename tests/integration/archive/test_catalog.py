"""Jobs are found by words, seeds, files and keys, wherever they are."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import pytest

from jobs import job_pages
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store import codec
from jobs.store.archiving.counts import LAST_PASS
from jobs.store.redis.keys import ARCHIVE_REFUSED, COLD, RECORD_PREFIX
from jobs.store.search_conditions import Search
from tests.harness.archive_installation import Archived, newest_first, stored_job


def job(n: int, prompt: str, **changes: Any) -> Job:
    """A stored job; BFL's prompt repeats the caller's in other words."""
    made = stored_job(n)
    return replace(made, result={**made.result, "prompt": prompt}, **changes)


@pytest.fixture
def jobs(archived: Archived) -> list[Job]:
    """Some in Redis, most of them in the archive alone."""
    found = [
        job(0, "A castle in the fog, at dawn"),
        job(1, "the fog of a Castle"),
        job(2, "Ein Schloß, café, naïve"),
        job(3, "fog castle", metadata={"user": "7"}),
        job(4, "castles are fogged", metadata={"user": "7"}),
        job(5, "a castle in the fog", metadata={"user": "7"}),
    ]
    found[4] = found[4].with_request(key="app")
    archived.evict(*found[:4])
    archived.put(*found[4:])
    return found


def test_every_filter_goes_with_every_other(archived: Archived, jobs: list[Job]) -> None:
    user = (("user", "7"),)
    assert archived.walk(Search(words="castle", metadata=user)) == newest_first([jobs[3], jobs[5]])
    assert archived.walk(Search(key="app")) == [jobs[4].id]
    for n in (1, 5):
        seed, (file,) = jobs[n].result["seed"], jobs[n].media
        searched = Search(words="fog", seed=seed, model="flux-2-pro")
        assert jobs[n].id in archived.walk(searched)
        assert jobs[n].id in archived.walk(Search(sha256=file.sha256))
    assert archived.walk(Search(seed=1)) == archived.walk(Search(sha256="0" * 64)) == []


@pytest.fixture
def mostly_hot(build: Callable[..., Archived]) -> tuple[Archived, list[Job]]:
    """The first is in the archive alone, Redis has the others, and no row has the last two."""
    found = [
        job(n, prompt) for n, prompt in enumerate(("castle", "fog", "fog", "castle", "castle"))
    ]
    found[4] = replace(found[4], status=Status.READY)
    build().evict(found[0])
    archived = build(HOT_DAYS="2")
    archived.put(*found[1:3])
    archived.pass_over()
    archived.put(*found[3:])
    archived.services.archiving.schedule.add([found[3].id], time.time() + 30, only_new=True)
    return archived, found


def forbid_walks(archived: Archived, monkeypatch: pytest.MonkeyPatch) -> None:
    def walk(*_: object) -> NoReturn:
        raise AssertionError("Redis is walked")

    monkeypatch.setattr(archived.services.listing, "page", walk)


def test_what_only_old_jobs_have_is_found_without_a_walk_through_redis(
    mostly_hot: tuple[Archived, list[Job]], monkeypatch: pytest.MonkeyPatch
) -> None:
    archived, jobs = mostly_hot
    forbid_walks(archived, monkeypatch)
    for searched, found in (("castle", [0, 3, 4]), ("fog", [1, 2]), ("tower", [])):
        page = archived.catalog.page(Search(words=searched), 7, None)
        assert [one.id for one in page.jobs] == newest_first([jobs[n] for n in found])
        assert page.last is None
        assert archived.walk(Search(words=searched), 1) == [one.id for one in page.jobs]


def test_no_walk_begins_as_many_jobs_are_about_to_leave_redis(
    build: Callable[..., Archived], monkeypatch: pytest.MonkeyPatch
) -> None:
    archived = build(HOT_DAYS="0.01")  # a quarter of an hour
    jobs = [job(n, "heron") for n in range(4)]
    archived.put(*jobs)
    archived.pass_over()
    forbid_walks(archived, monkeypatch)
    monkeypatch.setattr(job_pages, "UNPROVEN_MAX", 3)
    assert archived.walk(Search(words="heron")) == newest_first(jobs)


def test_a_job_whose_row_the_database_refuses_is_found_until_it_is_deleted(
    build: Callable[..., Archived], monkeypatch: pytest.MonkeyPatch
) -> None:
    archived, refused = build(HOT_DAYS="2"), job(0, "heron")
    archived.put(refused, job(1, "fog"))
    # No database takes such a number.
    archived.redis.set(RECORD_PREFIX + refused.id, codec.encode(refused, 2**70))
    archived.pass_over()
    forbid_walks(archived, monkeypatch)
    assert archived.walk(Search(words="heron")) == [refused.id]
    found = archived.services.store.load(refused.id)
    assert found and archived.services.store.delete(found)
    assert not archived.redis.exists(ARCHIVE_REFUSED)


def test_a_job_whose_row_was_lost_is_found_before_the_sweep_has_noticed(
    mostly_hot: tuple[Archived, list[Job]],
) -> None:
    archived, jobs = mostly_hot
    archived.archive.delete([(jobs[1].id, 2**60)])
    archived.redis.zadd(COLD, {LAST_PASS: time.time() + 1000})  # the database is older
    assert archived.walk(Search(words="fog")) == newest_first(jobs[1:3])
