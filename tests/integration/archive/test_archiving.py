"""Ended jobs leave Redis for the archive, and nobody can tell where a job lies."""

from dataclasses import replace

import pytest

from jobs import ingest
from jobs.domain.bfl_report import Report
from jobs.domain.errors import ArchiveUnavailable, Evicted
from jobs.domain.job import Job
from jobs.domain.job_record import NotificationTarget, PendingNotification
from jobs.domain.status import ReportKind, Source, Status
from jobs.store.commit import Change
from jobs.store.redis.keys import COUNTERS, EVENTS, RECORD_PREFIX, TASK_PREFIX
from jobs.store.search_conditions import Search
from receiver.job_actions import delete_job
from tests.harness.archive_installation import Archived, newest_first, stored_job
from tests.integration.archive.conftest import Build


def test_an_evicted_job_is_read_by_each_of_its_names(archived: Archived) -> None:
    job = stored_job()
    archived.evict(job)
    for name in (job.id, job.task_id or ""):
        found = archived.catalog.load(name)
        assert found is not None and found.evolve(version=0) == job.evolve(version=0)
    assert archived.catalog.ids(job.id[:8]) == [job.id]
    assert archived.catalog.load("unknown") is None
    assert archived.catalog.load(job.task_id or "", exactly=True) is None


def test_an_evicted_job_leaves_its_tombstones_alone(archived: Archived) -> None:
    archived.evict(*map(stored_job, range(20)))
    left = {key.decode().split(":")[1] for key in archived.redis.scan_iter("fluxkeep:*")}
    assert left == {"tombstone", "cold", "counters"}


def test_an_evicted_job_is_what_it_was_in_all_lists(archived: Archived) -> None:
    jobs = [stored_job(n, metadata={"user": n % 3, "n": str(n)}) for n in range(40)]
    archived.evict(*jobs[::2])
    archived.put(*jobs[1::2])
    assert archived.walk() == newest_first(jobs)
    assert archived.walk(Search(metadata=(("user", "1"),))) == newest_first(jobs[1::3])
    assert archived.walk(Search(metadata=(("user", "1"), ("n", "4")))) == [jobs[4].id]
    assert archived.walk(Search(model="flux-2-pro", statuses=(Status.STORED, Status.LOST)), 3) == (
        newest_first(jobs)
    )
    assert archived.walk(Search(statuses=(Status.LOST,))) == []
    since, until = jobs[10].created_at, jobs[20].created_at
    assert archived.walk(Search(since=since, until=until)) == newest_first(jobs[10:20])
    assert archived.walk(Search(source=Source.POLL)) == []


def test_a_late_callback_of_an_evicted_job_changes_nothing(archived: Archived) -> None:
    job = stored_job()
    archived.evict(job)
    report = Report(task_id=job.task_id or "", kind=ReportKind.FAILED, source=Source.CALLBACK)
    for job_id in (None, job.id):
        with pytest.raises(Evicted) as caught:
            ingest.apply_report(
                archived.services.store, report, archived.services.settings.timeouts, job_id
            )
        assert caught.value.status == "stored"
    assert not archived.hot([job.id, job.task_id or ""])


def test_a_write_by_the_task_id_of_an_evicted_job_makes_no_second_job(archived: Archived) -> None:
    """The archive was away when the id was looked up, and answers a moment later."""
    job, store, timeouts = (
        stored_job(),
        archived.services.store,
        archived.services.settings.timeouts,
    )
    task_id = job.task_id or ""
    archived.evict(job)

    def announce() -> Change[Job]:
        new = lambda known, now: known or Job.awaited(task_id, now, timeouts)  # noqa: E731
        return store.update(task_id, new, new=True)

    with pytest.raises(ArchiveUnavailable):
        archived.catalog.recalling(task_id, announce)
    assert archived.hot([job.id, task_id]) == {job.id}
    found = store.load(task_id)
    assert found and found.id == job.id


def test_a_change_recalls_the_job_and_the_archive_gets_it_again(archived: Archived) -> None:
    job = stored_job()
    archived.evict(job)
    before = archived.redis.hgetall(COUNTERS), archived.redis.xlen(EVENTS)
    assert archived.catalog.recall(job.id)
    assert (archived.redis.hgetall(COUNTERS), archived.redis.xlen(EVENTS)) == before
    change = archived.catalog.change(
        job.id, lambda job, now: job.with_details(now, {"metadata": {"a": 1}})
    )
    assert change.after and change.after.metadata == {"a": 1}
    assert archived.hot([job.id]) and archived.services.store.load(job.task_id or "")
    archived.pass_over()
    assert not archived.hot([job.id])
    found = archived.catalog.load(job.id)
    assert found and found.metadata == {"a": 1}
    assert archived.walk() == [job.id]


def test_a_deleted_job_is_nowhere_and_its_row_goes(archived: Archived) -> None:
    job, other = stored_job(1), stored_job(2)
    archived.evict(job, other)
    recalled = archived.catalog.recall(job.id)
    assert recalled is not None
    delete_job(archived.services, recalled)
    assert archived.catalog.load(job.id) is None and archived.walk() == [other.id]
    assert archived.catalog.recall(job.id) is None
    archived.pass_over(1)
    assert archived.archive.get(job.id) is None and archived.archive.get(other.id)


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
    archived.pass_over(1)
    assert archived.archive.get(job.id) is None


def test_a_stored_row_is_not_replaced_by_a_lesser_outcome(archived: Archived) -> None:
    job = stored_job()
    archived.evict(job)
    lost = replace(job, status=Status.LOST, version=10**16)
    archived.archive.put([lost], 1.0)
    found = archived.catalog.load(job.id)
    assert found and found.status is Status.STORED
    archived.put(replace(lost, version=9))  # Redis came back older
    archived.pass_over(2)
    assert not archived.hot([job.id])
    found = archived.catalog.load(job.id)
    assert found and found.status is Status.STORED


def test_pending_work_keeps_a_job_in_redis(archived: Archived) -> None:
    job = stored_job()
    notice = PendingNotification(NotificationTarget.APP, job.end, job.end)
    archived.put(job.with_notifications(pending=(notice,)))
    archived.pass_over()
    assert archived.hot([job.id])


def test_without_a_sandbox_a_job_stays_for_its_hot_days_and_a_day(build: Build) -> None:
    archived = build(BFL_SANDBOX_URL="", BFL_API_KEY="k")
    archived.put(stored_job())
    archived.pass_over()
    assert archived.hot([stored_job().id])
    (due_at,) = [at for _, at in archived.services.archive_moves.due(float("inf"), 9)]
    assert due_at >= 0.0


def test_a_lost_redis_loses_no_ended_job(archived: Archived) -> None:
    jobs = [stored_job(n) for n in range(30)]
    archived.evict(*jobs[:20])
    archived.put(*jobs[20:])
    archived.pass_over(1)
    archived.redis.flushdb()
    assert archived.walk() == newest_first(jobs)
    archived.pass_over()
    cold = archived.services.archive_moves.cold()
    assert cold and cold.jobs[Status.STORED] == 30 and cold.newest == jobs[-1].created_at
    assert archived.walk() == newest_first(jobs)


def test_a_lost_database_is_filled_from_redis(build: Build) -> None:
    jobs = [stored_job(n) for n in range(10)]
    slow = build(HOT_DAYS="2")
    slow.put(*jobs)
    slow.pass_over()
    assert slow.archive.counts() == {Status.STORED: 10}
    slow.archive.delete([(job.id, 10**17) for job in jobs])
    slow.archive.put([], now=0.0, mark=0.0)  # as a backup says
    slow.sweep.run_pass()
    slow.sweep.run_pass()
    assert slow.archive.counts() == {Status.STORED: 10}


def test_a_made_up_index_entry_of_a_new_job_is_not_needed(archived: Archived) -> None:
    """A job that ends is due for the archive by the script that ends it."""
    store = archived.services.store
    report = Report(task_id="t", kind=ReportKind.FAILED, source=Source.CALLBACK)
    ingest.apply_report(store, report, archived.services.settings.timeouts)
    assert [name for name, _ in archived.services.archive_moves.due(float("inf"), 9)] == ["t"]
    assert archived.redis.exists(RECORD_PREFIX + "t") and not archived.redis.exists(
        TASK_PREFIX + "t"
    )
