"""Ended jobs leave Redis for the archive, and nobody can tell where a job lies."""

import json
from dataclasses import replace
from itertools import islice

import pytest

from jobs import ingest
from jobs.domain.bfl_report import Report
from jobs.domain.job import Job
from jobs.domain.job_record import NotificationTarget, PendingNotification
from jobs.domain.status import ReportKind, Source, Status
from jobs.storage.layout import companion_keys
from jobs.store.redis.clock import Clock
from jobs.store.redis.keys import DELETIONS, RECORD_PREFIX, TASK_PREFIX
from jobs.store.search_conditions import Search
from receiver import webhook
from receiver.job_actions import delete_job
from tests.harness.archive_installation import Archived, newest_first, stored_job
from tests.integration.archive.conftest import Build
from tests.integration.test_webhook import PENDING, SECRET, environ
from worker.periodic.retention import RowRetention

LATE_MICROSECONDS = 300_000


def test_an_evicted_job_is_read_by_each_of_its_names(archived: Archived) -> None:
    job = stored_job()
    archived.evict(job, *map(stored_job, range(1, 20)))
    left = {key.decode().split(":")[1] for key in archived.redis.scan_iter("fluxkeep:*")}
    assert left == {"tombstone", "cold", "counters"}
    for name in (job.id, job.task_id or ""):
        found = archived.catalog.load(name)
        assert found is not None and found.evolve(version=0) == job.evolve(version=0)
    assert archived.catalog.ids(job.id[:8]) == [job.id]
    assert archived.catalog.load("unknown") is None
    assert archived.catalog.load(job.task_id or "", exactly=True) is None


def test_a_late_callback_of_an_evicted_job_changes_nothing(archived: Archived) -> None:
    job = stored_job()
    archived.evict(job)
    body = json.dumps(PENDING | {"id": job.task_id}).encode()
    answer = webhook.accept_callback(archived.services, environ(body, x_webhook_secret=SECRET))
    assert answer == {"id": job.task_id, "status": "stored"}
    assert not archived.hot([job.id, job.task_id or ""])


def test_pending_work_keeps_a_job_in_redis(archived: Archived) -> None:
    job = stored_job()
    notice = PendingNotification(NotificationTarget.APP, job.end, job.end)
    archived.put(job.with_notifications(pending=(notice,)))
    archived.pass_over()
    assert archived.hot([job.id])


def test_a_job_whose_price_is_to_be_asked_for_stays_in_redis(archived: Archived) -> None:
    job = stored_job()
    archived.put(job.with_polling(price_due_at=archived.services.store.now()))
    archived.pass_over()
    assert archived.hot([job.id])


def test_without_a_sandbox_a_job_stays_for_its_hot_days_and_a_day(build: Build) -> None:
    archived = build(BFL_SANDBOX_URL="", BFL_API_KEY="k")
    archived.put(stored_job())
    archived.pass_over()
    assert archived.hot([stored_job().id])
    (due_at,) = [at for _, at in archived.services.archiving.schedule.due_until(float("inf"), 9)]
    assert due_at >= 0.0


def test_a_made_up_index_entry_of_a_new_job_is_not_needed(archived: Archived) -> None:
    """A job that ends is due for the archive by the script that ends it."""
    store = archived.services.store
    report = Report(task_id="t", kind=ReportKind.FAILED, source=Source.CALLBACK)
    ingest.apply_report(store, report, archived.services.settings.timeouts)
    assert [
        name for name, _ in archived.services.archiving.schedule.due_until(float("inf"), 9)
    ] == ["t"]
    assert archived.redis.exists(RECORD_PREFIX + "t") and not archived.redis.exists(
        TASK_PREFIX + "t"
    )


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
    cold = archived.services.archiving.counts.load()
    assert cold and not any(cold.by_status.values())


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


def test_a_record_leaves_redis_although_the_clock_of_the_sweep_is_late(
    archived: Archived, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a loaded machine the answer to TIME comes late, and the clock stays late by as much."""
    synchronize = Clock.synchronize

    def synchronize_late(clock: Clock, answer: tuple[int, int]) -> float:
        seconds, microseconds = answer
        return synchronize(clock, (seconds, microseconds - LATE_MICROSECONDS))

    monkeypatch.setattr(Clock, "synchronize", synchronize_late)
    archived.evict(stored_job())
    assert archived.walk() == [stored_job().id]


def test_a_job_that_was_deleted_while_its_row_was_written_stays_deleted(archived: Archived) -> None:
    job = stored_job()
    archived.put(job)
    archived.pass_over(1)
    known = archived.services.store.load(job.id)
    assert known is not None
    delete_job(archived.services, known)
    archived.pass_over(1)
    assert archived.archive.get(job.id) is None
    archived.archive.put([job], 1.0)  # another sweep had read the record before
    assert archived.catalog.load(job.id) is None and archived.walk() == []
    moves = archived.services.archiving.moves
    assert not moves.recall(job), "by who had read the row before"
    archived.pass_over(1)
    assert archived.archive.get(job.id) is None
    archived.redis.delete(DELETIONS)  # as of a deletion from before there was a database
    assert not moves.recall(job)


def test_a_job_made_anew_is_listed_once_while_its_old_row_is_there(archived: Archived) -> None:
    jobs = [stored_job(n) for n in range(4)]
    archived.evict(*jobs)
    anew, timeouts = jobs[1].id, archived.services.settings.timeouts
    delete_job(archived.services, jobs[1])
    archived.services.store.update(anew, lambda _, now: Job.awaited(anew, now, timeouts))
    walk = archived.catalog.walk(Search(), 1)
    found = [job.id for page in islice(walk, 2 * len(jobs)) for job in page]
    assert found == [anew, *newest_first([jobs[0], *jobs[2:]])]


def test_a_stored_row_is_not_replaced_by_a_lesser_outcome(archived: Archived) -> None:
    job = stored_job()
    archived.evict(job)
    lost = replace(job, status=Status.LOST, version=10**16)
    archived.archive.put([lost], 1.0)
    assert archived.archive.counts() == {Status.STORED: 1}
    archived.put(replace(lost, version=9))  # Redis came back older
    archived.pass_over(2)
    assert not archived.hot([job.id]) and archived.archive.counts() == {Status.STORED: 1}


def test_a_lost_redis_loses_no_ended_job(archived: Archived) -> None:
    jobs = [stored_job(n) for n in range(30)]
    archived.evict(*jobs[:20])
    archived.put(*jobs[20:])
    archived.pass_over(1)
    archived.redis.flushdb()
    assert archived.walk() == newest_first(jobs)
    archived.pass_over()
    cold = archived.services.archiving.counts.load()
    assert cold and cold.by_status[Status.STORED] == 30 and cold.newest == jobs[-1].created_at
    assert archived.walk() == newest_first(jobs)


def test_a_lost_database_is_filled_from_redis(build: Build) -> None:
    archived = build(HOT_DAYS="2")
    archived.put(*map(stored_job, range(10)))
    archived.pass_over()
    assert archived.archive.counts() == {Status.STORED: 10}
    archived.archive.delete([(stored_job(n).id, 10**17) for n in range(10)])
    archived.archive.put([], now=0.0, mark=0.0)  # as a backup says
    archived.sweep.run_pass()
    archived.sweep.run_pass()
    assert archived.archive.counts() == {Status.STORED: 10}
