"""A report changes the job that it is about, or none (I16): `steps/ingest.txt` has each case."""

import pytest

from jobs import ingest
from jobs.domain.errors import ReportRefused, UnknownJob
from jobs.domain.job import Job
from jobs.domain.report import Report
from jobs.domain.status import ReportKind, Source, Status
from jobs.store.job_store import JobStore
from tests.harness.reports import TIMEOUTS, call_back, load


@pytest.mark.parametrize("source", [Source.POLL, Source.REPLAY])
def test_an_answer_about_a_deleted_job_does_not_bring_it_back(
    store: JobStore, source: Source
) -> None:
    report = Report(task_id="job", kind=ReportKind.PROGRESS, source=source)
    with pytest.raises(UnknownJob):
        ingest.apply_report(store, report, TIMEOUTS)
    assert store.load("job") is None


@pytest.fixture
def submitted(store: JobStore) -> Job:
    """A job that Fluxkeep submitted, and that BFL knows as `task`."""

    def begin(_job: Job | None, now: float) -> Job:
        return Job.awaited("task", now, TIMEOUTS, "own").evolve(is_submission=True)

    store.update("own", begin, new=True)
    return load(store, "own")


@pytest.mark.parametrize("kind", [ReportKind.PROGRESS, ReportKind.FAILED, ReportKind.READY])
@pytest.mark.parametrize("named", ["task", "own"])
def test_a_callback_at_the_general_address_changes_no_job_that_fluxkeep_submitted(
    store: JobStore, submitted: Job, kind: ReportKind, named: str
) -> None:
    with pytest.raises(ReportRefused):
        call_back(store, named, kind=kind)
    assert store.load(named) == store.load("own") == submitted
    assert store.load("task", exactly=True) is None


def test_a_job_is_reached_at_its_own_address_with_its_own_task_only(
    store: JobStore, submitted: Job
) -> None:
    call_back(store, "other")
    before = load(store, "other")
    foreign = Report(task_id="other", kind=ReportKind.PROGRESS, source=Source.CALLBACK)
    with pytest.raises(ReportRefused):
        ingest.apply_report(store, foreign, TIMEOUTS, submitted.id)
    assert load(store, "own") == submitted and load(store, "other") == before
    report = Report(task_id="task", kind=ReportKind.FAILED, source=Source.CALLBACK)
    ended = ingest.apply_report(store, report, TIMEOUTS, submitted.id)
    assert ended.status is Status.FAILED and load(store, "task") == ended
