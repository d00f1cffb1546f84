"""Reports are applied to the one job that they are about, or to none (I16)."""

import pytest

from jobs import ingest
from jobs.errors import UnknownJob, WrongStatus
from jobs.job import Job
from jobs.report import Report
from jobs.status import ReportKind, Source, Status
from jobs.store.job_store import JobStore
from jobs.timeouts import Timeouts

TIMEOUTS = Timeouts(60.0, 3600.0)


def test_a_callback_proves_that_there_is_a_task(store: JobStore) -> None:
    report = Report(task_id="job", kind=ReportKind.PROGRESS, source=Source.CALLBACK)
    assert ingest.apply_report(store, report, TIMEOUTS) == store.load("job")


@pytest.mark.parametrize("source", [Source.POLL, Source.REPLAY])
def test_an_answer_about_a_forgotten_job_does_not_bring_it_back(
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
        return Job.expected("task", now, TIMEOUTS, "own").with_submission(queued_at=now)

    store.update("own", begin, new=True)
    found = store.load("own")
    assert found is not None
    return found


@pytest.mark.parametrize(
    "kind", [ReportKind.PROGRESS, ReportKind.FAILED, ReportKind.READY, ReportKind.UNCLEAR]
)
@pytest.mark.parametrize("named", ["task", "own"])
def test_a_callback_at_the_general_address_changes_no_job_that_fluxkeep_submitted(
    store: JobStore, submitted: Job, kind: ReportKind, named: str
) -> None:
    report = Report(task_id=named, kind=kind, source=Source.CALLBACK, urls=("https://a/b",))
    with pytest.raises(WrongStatus):
        ingest.apply_report(store, report, TIMEOUTS)
    assert store.load(named) == store.load("own") == submitted
    assert store.load("task", exactly=True) is None


def test_its_own_address_still_reaches_a_submitted_job(store: JobStore, submitted: Job) -> None:
    report = Report(task_id="task", kind=ReportKind.FAILED, source=Source.CALLBACK)
    ended = ingest.apply_report(store, report, TIMEOUTS, submitted.id)
    assert ended.status is Status.FAILED and store.load("task") == ended


def test_the_secret_of_one_job_does_not_report_the_task_of_another(
    store: JobStore, submitted: Job
) -> None:
    taken = Report(task_id="other", kind=ReportKind.PROGRESS, source=Source.CALLBACK)
    ingest.apply_report(store, taken, TIMEOUTS)
    before = store.load("other")
    with pytest.raises(WrongStatus):
        ingest.apply_report(store, taken, TIMEOUTS, "own")
    assert store.load("own") == submitted and store.load("other") == before
    own = Report(task_id="task", kind=ReportKind.PROGRESS, source=Source.CALLBACK)
    assert ingest.apply_report(store, own, TIMEOUTS, "own").id == "own"
