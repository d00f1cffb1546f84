"""Ended jobs leave Redis for the archive, and nobody can tell where a job lies."""

from jobs import ingest
from jobs.domain.bfl_report import Report
from jobs.domain.job_record import NotificationTarget, PendingNotification
from jobs.domain.status import ReportKind, Source, Status
from jobs.store.redis.keys import RECORD_PREFIX, TASK_PREFIX
from jobs.store.search_conditions import Search
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


def test_a_made_up_index_entry_of_a_new_job_is_not_needed(archived: Archived) -> None:
    """A job that ends is due for the archive by the script that ends it."""
    store = archived.services.store
    report = Report(task_id="t", kind=ReportKind.FAILED, source=Source.CALLBACK)
    ingest.apply_report(store, report, archived.services.settings.timeouts)
    assert [name for name, _ in archived.services.archive_moves.due(float("inf"), 9)] == ["t"]
    assert archived.redis.exists(RECORD_PREFIX + "t") and not archived.redis.exists(
        TASK_PREFIX + "t"
    )
