"""Legal extremes, and rows of another release: what is unusual stops nothing and loses nothing."""

from dataclasses import replace

import pytest

from jobs.domain.errors import UnreadableRecord
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.listing import Position
from jobs.store.redis import keys
from jobs.store.search_conditions import Search
from receiver.repair import objects
from tests.harness.archive_installation import Archived, newest_first, stored_job
from tests.integration.archive.conftest import Build
from worker.periodic.retention import RetentionCleanup, RowRetention

ROWS_OF_ONE_MICROSECOND = 400


def make_unreadable(archived: Archived, job: Job) -> None:
    """As a newer release has written its row."""
    sql = "UPDATE jobs SET record = ? WHERE id = ?"
    archived.archive._database.transact(lambda run: run(sql, [b"7 999 x", job.id]), writes=True)  # noqa: SLF001


def record_of(archived: Archived, job: Job) -> bytes:
    sql = "SELECT record FROM jobs WHERE id = ?"
    ((record,),) = archived.archive._database.transact(lambda run: run(sql, [job.id]))  # noqa: SLF001
    return bytes(record)


def test_jobs_with_much_metadata_are_archived_in_several_transactions(archived: Archived) -> None:
    jobs = [stored_job(n, metadata={f"{i}-{n}": "v" for i in range(500)}) for n in range(50)]
    archived.put(*jobs)
    archived.pass_over(1)
    assert archived.archive.counts() == {Status.STORED: 50}
    assert archived.walk(Search(metadata=(("499-7", "v"), ("0-7", "v")))) == [jobs[7].id]


def test_a_hundred_thousand_deletions_do_not_stop_a_pass(archived: Archived) -> None:
    job, other = stored_job(1), stored_job(2)
    archived.evict(job, other)
    now = archived.services.store.now() * 1e6
    for first in range(0, 100_000, 5000):
        entries = {f"deleted-{n}": now + n for n in range(first, first + 5000)}
        archived.redis.zadd(keys.DELETIONS, entries)
    archived.redis.zadd(keys.DELETIONS, {f"at-once-{n}": now + 1e5 for n in range(1500)})
    archived.redis.zadd(keys.DELETIONS, {job.id: now + 200_000})
    archived.pass_over(1)
    assert archived.archive.get(job.id) is None and archived.archive.get(other.id)
    assert archived.archive.state().deletions_until >= now


def test_jobs_of_one_creation_time_are_archived_and_listed_once(archived: Archived) -> None:
    at = stored_job().created_at
    jobs = [replace(stored_job(n), created_at=at) for n in range(ROWS_OF_ONE_MICROSECOND)]
    archived.put(*jobs)
    archived.pass_over(6)
    assert not archived.hot(job.id for job in jobs)
    assert archived.walk(limit=199) == newest_first(jobs)
    for job in jobs[::3]:
        assert archived.catalog.recall(job.id)
    assert archived.walk(limit=101) == newest_first(jobs)


def test_texts_that_a_database_cannot_hold_are_archived_and_searched(archived: Archived) -> None:
    jobs = [
        stored_job(0, metadata={"\0": "\0", "": "x", "%s": "?"}),
        stored_job(1, model="flux\0"),
        stored_job(2, result={"seed": 2**70, "prompt": "a\0b"}),
        stored_job(3, result={"seed": True, "prompt": 5}),
        replace(stored_job(4), created_at=7.2e9, id="_-"),
        replace(stored_job(5), created_at=0.0, id="-" * 128),
        replace(stored_job(6), created_at=1e-6, id="A"),
        stored_job(7, metadata={str(i): "é" * 5 for i in range(500)}),
    ]
    archived.evict(*jobs)
    assert archived.walk() == newest_first(jobs)
    for job in jobs:
        found = archived.catalog.load(job.id)
        assert found and found.evolve(version=0) == job.evolve(version=0)
    assert archived.walk(Search(model="flux\0")) == [jobs[1].id]
    assert archived.walk(Search(model="flu\0x")) == []
    assert archived.walk(Search(metadata=(("\0", "\0"),))) == [jobs[0].id]
    assert archived.walk(Search(metadata=(("%s", "?"),))) == [jobs[0].id]
    assert archived.walk(Search(repeats="\0")) == []
    assert archived.walk(Search(key="\0")) == archived.walk(Search(sha256="\0")) == []
    assert archived.walk(Search(words="b\0")) == [jobs[2].id]
    assert archived.walk(Search(model="x" * 100_000)) == []


def test_a_list_takes_every_time(archived: Archived) -> None:
    jobs = [stored_job(n) for n in range(3)]
    archived.evict(*jobs)
    middle = jobs[1].created_at
    assert archived.walk(Search(since=middle, until=middle)) == []
    assert archived.walk(Search(since=middle)) == newest_first(jobs[1:])
    assert archived.walk(Search(until=middle)) == [jobs[0].id]
    assert archived.walk(Search(since=-1e300, until=1e300)) == newest_first(jobs)
    for at in (0.0, 5e-324, 1e300):
        archived.catalog.page(Search(), 5, Position(at, "-_"))
    for at in (-1e300, -6e10, 2.6e11, 1e300):
        assert archived.walk(Search(words="nothing", since=at)) == []
        assert archived.walk(Search(words="nothing", until=at)) == []


def test_a_row_that_cannot_be_read_is_shown_and_never_changed(build: Build) -> None:
    archived = build(RETAIN_MEDIA_DAYS="1", RETAIN_JOBS_DAYS="1")
    job = stored_job()
    archived.evict(job)
    make_unreadable(archived, job)
    before = record_of(archived, job)
    found = archived.catalog.load(job.id)
    assert found and (found.id, found.status, found.metadata) == (job.id, job.status, job.metadata)
    assert archived.walk() == [job.id]
    with pytest.raises(UnreadableRecord):
        archived.catalog.recall(job.id)
    assert archived.catalog.load_many([job.id]) == {job.id: None}
    RowRetention(archived.services, archived.archive).run_batch()
    assert record_of(archived, job) == before and not archived.hot([job.id])


def test_objects_of_a_row_that_cannot_be_read_stay(build: Build) -> None:
    archived = build(RETAIN_MEDIA_DAYS="1")
    job = stored_job()
    key, storage = job.media[0].key, archived.services.storage
    storage.write(key, b"bytes")
    archived.evict(job)
    make_unreadable(archived, job)
    assert list(objects.examine(archived.services)) == []
    archived.services.due.orphans.schedule(key, job.end)
    RetentionCleanup(archived.services).step()
    assert storage.size(key) == len(b"bytes")
