"""The table of a submission's life and its steps say the same."""

from collections.abc import Callable
from functools import partial

import pytest

from jobs.domain import submission
from jobs.domain.bfl_report import Failure, SubmissionReceipt
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.domain.submission_life import LIFE, Phase, Step, phase_of
from tests.harness.reports import NOW, TIMEOUTS

RECEIPT = SubmissionReceipt(task_id="task")
FAILURE = Failure("code", "message")

WAITING = submission.create("own", "flux-2-pro", NOW)
SENT = submission.admit(WAITING, NOW + 1, "origin")
BACKED_OFF = submission.back_off(SENT, NOW + 2, "5xx", TIMEOUTS, is_counted=True)
UNCONFIRMED = submission.await_confirmation(SENT, NOW + 2, "silence", TIMEOUTS)
AT_BFL = submission.accept(SENT, NOW + 2, RECEIPT, TIMEOUTS)
ENDED = submission.refuse(SENT, NOW + 2, FAILURE)
JOBS = {
    Phase.WAITING: WAITING,
    Phase.SENT: SENT,
    Phase.BACKED_OFF: BACKED_OFF,
    Phase.UNCONFIRMED: UNCONFIRMED,
    Phase.AT_BFL: AT_BFL,
    Phase.ENDED: ENDED,
}
LATER = NOW + 5
FUNCTIONS: dict[Step, Callable[[Job], Job]] = {
    Step.ADMIT: lambda job: submission.admit(job, LATER, "origin"),
    Step.REQUEUE: lambda job: submission.requeue(job, LATER, "busy"),
    Step.ACCEPT: lambda job: submission.accept(job, LATER, RECEIPT, TIMEOUTS),
    Step.REFUSE: lambda job: submission.refuse(job, LATER, FAILURE),
    Step.BACK_OFF: partial(
        submission.back_off, now=LATER, why="5xx", timeouts=TIMEOUTS, is_counted=True
    ),
    Step.AWAIT_CONFIRMATION: partial(
        submission.await_confirmation, now=LATER, why="silence", timeouts=TIMEOUTS
    ),
    # The sweep: before the deadline it sends again, after it it gives up.
    Step.SEND_AGAIN: lambda job: submission.recheck(job, LATER, TIMEOUTS),
    Step.GIVE_UP: lambda job: submission.recheck(job, job.deadline, TIMEOUTS),
    Step.REPLAY: lambda job: submission.replay(job, LATER, TIMEOUTS),
}


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_is_read_from_the_record(phase: Phase) -> None:
    assert phase_of(JOBS[phase]) is phase


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("phase", Phase)
def test_each_step_leads_where_the_table_says(phase: Phase, step: Step) -> None:
    if step is Step.GIVE_UP and phase in (Phase.SENT, Phase.AT_BFL):
        # The sweep has other steps here: no answer came, and what `Job.recheck` does.
        return
    job = JOBS[phase]
    after = FUNCTIONS[step](job)
    assert phase_of(after) is LIFE.get((phase, step), phase)
    if (phase, step) not in LIFE:
        assert after.timeline == job.timeline


def test_the_sweep_treats_a_worker_that_stopped_as_silence() -> None:
    assert SENT.lease.lease_until is not None
    for now in (SENT.lease.lease_until, SENT.deadline):
        after = submission.recheck(SENT, now, TIMEOUTS)
        assert phase_of(after) is LIFE[Phase.SENT, Step.AWAIT_CONFIRMATION]


def test_a_replay_polls_a_task_that_is_known() -> None:
    ended = AT_BFL.lost(NOW + 4, "why")
    assert phase_of(submission.replay(ended, LATER, TIMEOUTS)) is Phase.AT_BFL


def test_a_submission_that_met_too_many_errors_is_refused() -> None:
    tried = SENT.with_submission(attempts=submission.RESUBMITS_MAX)
    after = submission.back_off(tried, LATER, "5xx", TIMEOUTS, is_counted=True)
    assert phase_of(after) is LIFE[Phase.SENT, Step.REFUSE] and after.status is Status.FAILED
