"""Retention of jobs that only the archive has."""

from dataclasses import replace

import pytest

from jobs.domain.job import Job
from jobs.storage.layout import companion_keys
from tests.harness.archive_installation import Archived, stored_job
from tests.integration.archive.conftest import Build
from worker.periodic.retention import RowRetention


def with_objects(archived: Archived, n: int) -> Job:
    """A stored job of weeks ago whose media are in the storage."""
    job = stored_job(n)
    for file in job.media:
        for key in (file.key, *companion_keys(file.key)):
            archived.services.storage.write(key, b"bytes")
    return job


def keys_of(archived: Archived) -> set[str]:
    return {found.key for found in archived.services.storage.list_objects()}


def clean(archived: Archived) -> None:
    retention = RowRetention(archived.services, archived.archive)
    for _ in range(3):
        retention.run_batch()


def test_media_of_an_archived_job_are_deleted_and_its_row_says_so(build: Build) -> None:
    archived = build(RETAIN_MEDIA_DAYS="1")
    job = with_objects(archived, 1)
    archived.evict(job)
    clean(archived)
    found = archived.catalog.load(job.id)
    assert found and not found.present_media and not keys_of(archived)
    assert not archived.hot([job.id]) and archived.walk() == [job.id]
    clean(archived)
    assert archived.catalog.load(job.id) == found


def test_a_row_is_deleted_and_its_media_stay_until_their_time(build: Build) -> None:
    archived = build(RETAIN_JOBS_DAYS="1", RETAIN_MEDIA_DAYS="10000")
    job = with_objects(archived, 1)
    archived.evict(job)
    clean(archived)
    assert archived.catalog.load(job.id) is None and archived.walk() == []
    assert keys_of(archived) and job.media[0].key in archived.services.due.orphans
    cold = archived.services.archive_moves.cold()
    assert cold and not any(cold.jobs.values())


def test_a_job_that_came_back_to_redis_is_left_to_it(build: Build) -> None:
    archived = build(RETAIN_JOBS_DAYS="1")
    jobs = [with_objects(archived, n) for n in range(3)]
    archived.evict(*jobs)
    assert archived.catalog.recall(jobs[1].id)
    clean(archived)
    assert archived.walk() == [jobs[1].id] and archived.archive.get(jobs[1].id)


def test_with_a_database_records_stay_for_ever(archived: Archived) -> None:
    old = replace(stored_job(), created_at=1_000_000_000.0, ended_at=1_000_000_000.0)
    archived.evict(old)
    clean(archived)
    assert archived.walk() == [old.id]


@pytest.mark.parametrize("broken", [b"", b"7 2 x"])
def test_an_unreadable_record_is_read_again_later(archived: Archived, broken: bytes) -> None:
    job = stored_job()
    archived.put(job)
    archived.redis.set(f"fluxkeep:job:{job.id}", broken or b"x")
    archived.pass_over(1)
    assert archived.hot([job.id])
    ((name, at),) = archived.services.archive_moves.due(float("inf"), 9)
    assert name == job.id and at > archived.services.store.now() + 3000
