"""A job that BFL has more than once, or has although it was given up.

The first ready task wins, and the failure of another task is ignored.
"""

from collections.abc import Callable

import pytest

from jobs import ingest, submission
from jobs.errors import UnknownJob
from jobs.job import Job
from jobs.report import Failure, Moderation, Report, SubmissionReceipt
from jobs.status import ReportKind, Source, Status
from receiver.api.job_actions import replay_job
from tests.system.submitting.local_worker import LocalWorker
from worker.claim import Claim
from worker.sweep import check_job

POLLING_URL = "https://api.bfl.ai/v1/get_result?id=b"
every_failure = pytest.mark.parametrize("bad", [ReportKind.FAILED, ReportKind.MODERATED])


class Resubmission:
    """A job whose first submission (task a) got a 500, and that is being sent again (task b)."""

    def __init__(self, local_worker: LocalWorker) -> None:
        self.local_worker, self.wired = local_worker, local_worker.wired
        self.timeouts = local_worker.wired.settings.timeouts
        local_worker.post("job")
        claim = local_worker.admit()
        claim.commit(
            lambda job, now: submission.back_off(
                job, now, "500", self.timeouts, has_webhook=True, is_counted=True
            )
        )
        self.due()
        self.claim: Claim = local_worker.admit()

    @property
    def job(self) -> Job:
        return self.local_worker.job("job")

    def confirm(self, task_id: str) -> None:
        def step(job: Job | None, now: float) -> Job | None:
            answer = SubmissionReceipt(task_id=task_id, polling_url=POLLING_URL)
            return job and submission.confirm(job, now, answer, self.timeouts, has_webhook=True)

        self.wired.store.update("job", step)

    def call(self, task_id: str, kind: ReportKind) -> Job:
        report = Report(
            task_id=task_id,
            kind=kind,
            source=Source.CALLBACK,
            urls=("https://delivery.bfl.ai/a",) if kind is ReportKind.READY else (),
            error=Failure("bfl_error", task_id) if kind is ReportKind.FAILED else None,
            moderation=Moderation("content") if kind is ReportKind.MODERATED else None,
        )
        return ingest.apply_report(self.wired.store, report, self.timeouts, "job")

    def due(self) -> None:
        self.wired.store.update("job", lambda job, _now: job and job.with_check(next_check_at=1.0))
        check_job(self.wired, "job")


@pytest.fixture
def resubmission(local_worker: LocalWorker) -> Resubmission:
    return Resubmission(local_worker)


@every_failure
def test_the_failure_of_another_task_is_ignored(
    resubmission: Resubmission, bad: ReportKind
) -> None:
    resubmission.confirm("b")
    before = resubmission.job
    assert resubmission.call("a", bad) == before
    assert resubmission.call("b", ReportKind.READY).status is Status.READY


@every_failure
def test_a_failure_while_the_job_is_sent_again_waits_for_the_answer(
    resubmission: Resubmission, bad: ReportKind
) -> None:
    """Nobody can tell yet which of the two tasks it is about."""
    assert resubmission.call("a", bad).status is Status.QUEUED
    resubmission.confirm("b")
    assert (resubmission.job.status, resubmission.job.task_id) == (Status.SUBMITTED, "b")
    assert resubmission.call("b", ReportKind.READY).status is Status.READY


@pytest.mark.parametrize("confirmed", [True, False])
def test_the_first_ready_task_wins(resubmission: Resubmission, confirmed: bool) -> None:
    if confirmed:
        resubmission.confirm("b")
    ready = resubmission.call("a", ReportKind.READY)
    assert (ready.status, ready.task_id, ready.check.polling_url) == (Status.READY, "a", None)
    if not confirmed:
        resubmission.confirm("b")
        assert resubmission.job.timeline[-1].event == "submission.duplicated"
    before = resubmission.job
    for kind in (ReportKind.READY, ReportKind.FAILED, ReportKind.MODERATED):
        assert resubmission.call("b", kind) == before
    found = resubmission.wired.store.load("a")
    assert found and found.id == "job"


@pytest.mark.parametrize(
    ("bad", "end"), [(ReportKind.FAILED, Status.FAILED), (ReportKind.MODERATED, Status.MODERATED)]
)
def test_the_failure_of_its_own_task_ends_the_job(
    resubmission: Resubmission, bad: ReportKind, end: Status
) -> None:
    resubmission.confirm("b")
    assert resubmission.call("b", bad).status is end


@every_failure
def test_the_failure_of_the_only_task_ends_a_job_that_waits_to_be_sent_again(
    local_worker: LocalWorker, bad: ReportKind
) -> None:
    local_worker.post("job")
    timeouts = local_worker.wired.settings.timeouts
    local_worker.admit().commit(
        lambda job, now: submission.back_off(
            job, now, "500", timeouts, has_webhook=True, is_counted=True
        )
    )
    report = Report(
        task_id="a",
        kind=bad,
        source=Source.CALLBACK,
        error=Failure("bfl_error", "no"),
        moderation=Moderation("content"),
    )
    ended = ingest.apply_report(local_worker.wired.store, report, timeouts, "job")
    assert ended.status.terminal and not ended.submission.unconfirmed
    assert local_worker.next() is None


def test_a_job_that_is_forgotten_leaves_none_of_its_names(resubmission: Resubmission) -> None:
    resubmission.confirm("b")
    resubmission.call("a", ReportKind.READY)
    resubmission.wired.store.delete(resubmission.job)
    store = resubmission.wired.store
    assert store.load("a") is None and store.load("b") is None


@pytest.mark.parametrize("task_id", ["a", "b"])
def test_no_callback_brings_a_job_back_that_was_forgotten(
    resubmission: Resubmission, task_id: str
) -> None:
    resubmission.confirm("b")
    resubmission.call("a", ReportKind.READY)
    resubmission.wired.store.delete(resubmission.job)
    with pytest.raises(UnknownJob):
        resubmission.call(task_id, ReportKind.PROGRESS)
    assert resubmission.wired.store.load("job") is None


GIVEN_UP: dict[str, Callable[[Job, float], Job]] = {
    "bfl_unavailable": lambda job, now: job.ended(
        now, Status.FAILED, error=Failure("bfl_unavailable", "no word")
    ),
    "submission_unconfirmed": lambda job, now: job.ended(
        now, Status.LOST, error=Failure("submission_unconfirmed", "no word")
    ),
}


@pytest.mark.parametrize("code", GIVEN_UP)
@pytest.mark.parametrize("kind", [ReportKind.PROGRESS, ReportKind.READY, ReportKind.FAILED])
def test_a_late_callback_of_a_job_that_was_given_up_names_the_task_to_ask_about(
    resubmission: Resubmission, code: str, kind: ReportKind
) -> None:
    resubmission.claim.commit(GIVEN_UP[code])
    end = resubmission.job.status
    late = resubmission.call("late", kind)
    assert (late.status, late.task_id) == (end, "late")
    assert late.timeline[-1].event == "callback.late"
    assert resubmission.call("late", ReportKind.READY) == late, "an end is an end"
    again = replay_job(resubmission.wired, "late")
    assert again.status is Status.SUBMITTED and not again.submission.is_queued, (
        "BFL is asked, not paid"
    )
