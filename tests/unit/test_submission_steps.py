"""Steps of a submission when BFL's callback and its answer come in an unexpected order."""

from dataclasses import replace

import pytest

from jobs import submission
from jobs.errors import ErrorCode
from jobs.job import LEASE_SECONDS, Job
from jobs.report import SubmissionReceipt
from jobs.status import ReportKind, Source, Status
from jobs.submission import FIRST_POLL_SECONDS, QUEUE_CHECK_SECONDS, QUEUE_SECONDS
from jobs.timeline import EventCode
from jobs.transitions import transition
from tests.harness.reports import NOW, TIMEOUTS, report_of

LATER = NOW + 5.0


@pytest.fixture
def a_sent_job() -> Job:
    """A worker has sent it and waits for the answer."""
    queued = submission.create("own", "flux-2-pro", NOW)
    return submission.admit(queued, NOW, "https://api.bfl.ai")


def reported(job: Job, kind: ReportKind = ReportKind.PROGRESS, task_id: str = "task") -> Job:
    return transition(job, replace(report_of(kind), task_id=task_id), LATER, TIMEOUTS)


def last_event(job: Job) -> tuple[EventCode, dict[str, object]]:
    event = job.timeline[-1]
    return EventCode(event.event), dict(event.detail)


def test_a_callback_before_the_answer_proves_that_bfl_has_the_task(a_sent_job: Job) -> None:
    after = reported(a_sent_job)
    assert (after.task_id, after.status) == ("task", Status.SUBMITTED)
    assert after.deadline == TIMEOUTS.deadline(LATER)
    assert after.check.ends_by == LATER + TIMEOUTS.give_up_at_most
    assert after.check.next_check_at == a_sent_job.check.lease_until == NOW + LEASE_SECONDS
    assert not after.submission.is_queued and not after.submission.unconfirmed


def test_a_callback_about_an_unconfirmed_job_ends_the_doubt(a_sent_job: Job) -> None:
    waiting = submission.await_confirmation(a_sent_job, NOW + 1, "?", TIMEOUTS, has_webhook=True)
    assert waiting.submission.unconfirmed
    after = reported(waiting)
    assert not after.submission.unconfirmed
    assert after.check.next_check_at == LATER + TIMEOUTS.grace("flux-2-pro")


def test_a_callback_about_a_job_that_waits_again_takes_it_out_of_the_queue(a_sent_job: Job) -> None:
    waiting = submission.requeue(a_sent_job, NOW + 1, "busy")
    assert waiting.submission.is_queued
    assert not reported(waiting).submission.is_queued


def test_an_announced_job_is_proven_by_its_first_report() -> None:
    announced = Job.expected("task", NOW, TIMEOUTS).with_check(announced_by="app")
    assert reported(announced).check.announced_by is None


def test_a_duplicate_that_is_ready_first_becomes_the_task(a_sent_job: Job) -> None:
    first = reported(a_sent_job).with_check(polling_url="https://api.bfl.ai/first")
    after = reported(first, ReportKind.READY, "twin")
    assert (after.task_id, after.status) == ("twin", Status.READY)
    assert after.check.polling_url is None and after.check.announced_by is None


def test_an_answer_after_the_duplicate_is_only_noted(a_sent_job: Job) -> None:
    ready = reported(reported(a_sent_job), ReportKind.READY, "twin")
    answer = SubmissionReceipt(task_id="task")
    after = submission.confirm(ready, LATER, answer, TIMEOUTS, has_webhook=True)
    assert after.task_id == "twin" and after.submission.sent_at is None
    assert last_event(after) == (EventCode.SUBMISSION_DUPLICATED, {"task_id": "task"})


def test_an_answer_that_says_nothing_new_changes_nothing(a_sent_job: Job) -> None:
    answer = SubmissionReceipt(task_id="task")
    known = submission.confirm(reported(a_sent_job), LATER, answer, TIMEOUTS, has_webhook=True)
    assert known.submission.sent_at is None and known.task_id == "task"
    assert submission.confirm(known, LATER, answer, TIMEOUTS, has_webhook=True) is known


@pytest.mark.parametrize("last", [True, False])
def test_a_refused_job_goes_back_to_its_old_position_or_last(a_sent_job: Job, last: bool) -> None:
    waiting = submission.requeue(a_sent_job, LATER, "busy", last=last)
    assert waiting.submission.queued_at == (LATER if last else NOW)


def test_by_default_a_job_goes_back_to_its_old_position(a_sent_job: Job) -> None:
    assert submission.requeue(a_sent_job, LATER, "busy").submission.queued_at == NOW


def test_whatever_follows_a_callback_releases_the_claim_alone(a_sent_job: Job) -> None:
    known = reported(a_sent_job)
    released = submission.requeue(known, LATER, "no answer")
    assert released.check.lease_until is None and released.submission.sent_at is None
    assert released.status is Status.SUBMITTED and not released.submission.is_queued


def test_a_callback_for_a_lost_job_names_the_task_for_a_replay(a_sent_job: Job) -> None:
    waiting = submission.await_confirmation(a_sent_job, NOW, "?", TIMEOUTS, has_webhook=True)
    lost = submission.check(waiting, waiting.deadline, TIMEOUTS)
    assert lost.error and lost.error.code == ErrorCode.SUBMISSION_UNCONFIRMED
    late = replace(report_of(ReportKind.READY), task_id="task")
    noted = submission.note_late_callback(lost, late, LATER)
    assert noted.status is Status.LOST and noted.task_id == "task"
    expected = {"task_id": "task", "status": late.status_text}
    assert last_event(noted) == (EventCode.CALLBACK_LATE, expected)
    polled = replace(late, source=Source.POLL)
    assert submission.note_late_callback(lost, polled, LATER) is lost


def test_a_sent_job_is_left_to_its_worker_until_the_lease_ends(a_sent_job: Job) -> None:
    moved = a_sent_job.with_check(next_check_at=LATER)
    checked = submission.check(moved, LATER, TIMEOUTS)
    assert checked.check.next_check_at == a_sent_job.check.lease_until


def test_the_sweep_confirms_nothing_without_a_webhook(a_sent_job: Job) -> None:
    """With one, the default, the job waits for its callback for much longer."""
    late = NOW + LEASE_SECONDS + 1
    assert submission.check(a_sent_job, late, TIMEOUTS).deadline == late + TIMEOUTS.give_up_after
    alone = submission.check(a_sent_job, late, TIMEOUTS, has_webhook=False)
    assert alone.deadline == late + TIMEOUTS.grace("flux-2-pro")


def test_a_job_that_bfl_answered_with_an_error_says_why_it_is_sent_again(a_sent_job: Job) -> None:
    backed_off = submission.back_off(
        a_sent_job, LATER, "BFL answered 502", TIMEOUTS, has_webhook=True, is_counted=False
    )
    due = backed_off.check.next_check_at or 0.0
    again = submission.check(backed_off, due, TIMEOUTS)
    code, detail = last_event(again)
    assert code is EventCode.SUBMISSION_RETRIED and "did not call" in str(detail["reason"])
    assert again.submission.is_queued and again.submission.unconfirmed
    assert again.check.next_check_at == due + QUEUE_CHECK_SECONDS


def test_a_job_that_ends_while_it_waits_is_in_no_queue() -> None:
    queued = submission.create("own", "flux-2-pro", NOW)
    ended = submission.check(queued, queued.deadline, TIMEOUTS)
    assert ended.error and ended.error.code == ErrorCode.NOT_SUBMITTED
    assert not ended.submission.is_queued and not ended.submission.slot


def test_a_new_job_waits_a_week_at_most_and_is_checked_meanwhile() -> None:
    queued = submission.create("own", "flux-2-pro", NOW)
    assert queued.check.next_check_at == NOW + QUEUE_CHECK_SECONDS
    assert queued.deadline == NOW + QUEUE_SECONDS


def test_a_sent_job_says_where_it_was_sent(a_sent_job: Job) -> None:
    sent = (EventCode.SUBMISSION_SENT, {"origin": "https://api.bfl.ai"})
    assert last_event(a_sent_job) == sent
    assert a_sent_job.submission.origin == "https://api.bfl.ai"


@pytest.mark.parametrize("has_webhook", [True, False])
def test_an_accepted_job_waits_for_its_callback_or_is_polled_soon(
    a_sent_job: Job, has_webhook: bool
) -> None:
    answer = SubmissionReceipt(task_id="task", polling_url="https://api.bfl.ai/poll", cost=3.0)
    after = submission.confirm(a_sent_job, LATER, answer, TIMEOUTS, has_webhook=has_webhook)
    pause = TIMEOUTS.grace("flux-2-pro") if has_webhook else FIRST_POLL_SECONDS
    assert (after.status, after.deadline) == (Status.SUBMITTED, TIMEOUTS.deadline(LATER))
    assert after.check.ends_by == LATER + TIMEOUTS.give_up_at_most
    assert after.check.next_check_at == LATER + pause and after.check.lease_until is None
    assert after.check.awaits_callback is has_webhook
    assert (after.cost, after.check.polling_url) == (3.0, answer.polling_url)
    assert last_event(after) == (EventCode.SUBMISSION_ACCEPTED, {"task_id": "task"})


def test_a_replay_of_a_job_without_a_task_submits_it_again_as_new(a_sent_job: Job) -> None:
    waiting = submission.await_confirmation(a_sent_job, NOW, "?", TIMEOUTS, has_webhook=True)
    lost = submission.check(waiting, waiting.deadline, TIMEOUTS)
    again = submission.reopen(lost, LATER, TIMEOUTS)
    assert (again.status, again.error) == (Status.QUEUED, None)
    assert again.deadline == LATER + QUEUE_SECONDS
    assert again.check.next_check_at == LATER + QUEUE_CHECK_SECONDS
    assert again.check.ended_at is None and again.submission.attempts == 0
    assert again.submission.is_queued and again.submission.queued_at == lost.created_at
    assert again.submission.unconfirmed
    assert last_event(again) == (EventCode.SUBMISSION_REPLAYED, {})
