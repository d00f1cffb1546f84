"""Transitions of a job by reports, checks and claims."""

from dataclasses import replace
from itertools import product

import pytest

from jobs import submission
from jobs.job import LEASE_SECONDS, RECHECK_SECONDS, Job
from jobs.report import Failure, Moderation, Report
from jobs.status import REOPENABLE, TERMINAL, TRANSITIONS, ReportKind, Source, Status
from jobs.timeline import TIMELINE_MAX, EventCode
from jobs.timeouts import FINAL_POLL_SECONDS, Timeouts
from jobs.transitions import transition
from tests.harness.reports import FRESH_URL, NOW, TIMEOUTS, URL, report_of

OPEN = [state for state in Status if not state.terminal]


def after_reports(job: Job, *reports: Report, now: float = NOW + 1) -> Job:
    for report in reports:
        job = transition(job, report, now, TIMEOUTS)
    return job


@pytest.fixture
def a_job_awaiting_its_callback() -> Job:
    return Job.expected("job", NOW, TIMEOUTS)


@pytest.fixture
def a_job_to_be_rescued(a_job_awaiting_its_callback: Job) -> Job:
    return after_reports(a_job_awaiting_its_callback, report_of(ReportKind.READY))


@pytest.fixture
def a_job_being_rescued(a_job_to_be_rescued: Job) -> Job:
    return a_job_to_be_rescued.claimed(NOW + 2)


@pytest.fixture
def a_lost_job(a_job_awaiting_its_callback: Job) -> Job:
    return a_job_awaiting_its_callback.recheck(a_job_awaiting_its_callback.deadline)


# The table.


def test_no_row_starts_from_a_terminal_state() -> None:
    assert not [row for row in TRANSITIONS if row[0].terminal]


def test_a_job_that_is_awaited_has_a_row_for_everything_bfl_can_say() -> None:
    awaited = (Status.QUEUED, Status.SUBMITTED)
    assert not set(product(awaited, ReportKind)) - set(TRANSITIONS)


def test_a_job_with_a_url_listens_only_to_another_url() -> None:
    assert [kind for state, kind in TRANSITIONS if state is Status.READY] == [ReportKind.READY]


def test_no_row_leads_back_to_a_state_that_came_before() -> None:
    order = list(Status)
    assert all(
        order.index(after) >= order.index(state) for (state, _), after in TRANSITIONS.items()
    )


def test_the_last_five_states_are_terminal() -> None:
    assert list(Status)[-5:] == [state for state in Status if state in TERMINAL]
    assert REOPENABLE < TERMINAL


@pytest.mark.parametrize(
    ("state", "kind"), sorted(set(product(Status, ReportKind)) - set(TRANSITIONS))
)
def test_a_pair_that_is_not_listed_changes_nothing(state: Status, kind: ReportKind) -> None:
    job = replace(Job.expected("job", NOW, TIMEOUTS), status=state)
    assert transition(job, report_of(kind, dies_at=NOW + 9000), NOW + 1, TIMEOUTS) is job


@pytest.mark.parametrize("row", sorted(TRANSITIONS))
def test_a_listed_pair_leads_where_the_table_says(row: tuple[Status, ReportKind]) -> None:
    job = replace(Job.expected("job", NOW, TIMEOUTS), status=row[0])
    assert transition(job, report_of(row[1]), NOW + 1, TIMEOUTS).status is TRANSITIONS[row]


# Sentences.


def test_a_job_is_expected_until_its_deadline_and_polled_after_the_grace() -> None:
    job = Job.expected("job", NOW, TIMEOUTS)
    assert (job.status, job.check.next_check_at, job.deadline) == (
        Status.SUBMITTED,
        NOW + 60,
        NOW + 3600,
    )
    assert (job.check.work_deadline, job.check.lease_until) == (None, None)


def test_a_grace_longer_than_the_deadline_still_leaves_time_for_one_question() -> None:
    job = Job.expected("job", NOW, Timeouts(callback_grace=9000, give_up_after=100))
    assert job.check.next_check_at == job.deadline - FINAL_POLL_SECONDS


def test_a_ready_callback_makes_a_job_wanted_at_once(a_job_to_be_rescued: Job) -> None:
    job = a_job_to_be_rescued
    assert (job.status, job.source, job.delivery.urls) == (Status.READY, Source.CALLBACK, (URL,))
    assert job.check.work_deadline == job.delivery.expire_at == NOW + 600
    assert job.result == {"seed": 1}


def test_a_url_that_outlives_the_deadline_moves_it_but_not_for_ever(
    a_job_awaiting_its_callback: Job,
) -> None:
    late = a_job_awaiting_its_callback.deadline - 1
    job = after_reports(
        a_job_awaiting_its_callback, report_of(ReportKind.READY, dies_at=late + 9e9), now=late
    )
    assert job.deadline == late + TIMEOUTS.give_up_at_most


def test_the_same_callback_twice_changes_nothing(a_job_being_rescued: Job) -> None:  # I17
    assert after_reports(a_job_being_rescued, report_of(ReportKind.READY)) is a_job_being_rescued


def test_a_url_that_expires_sooner_changes_nothing(a_job_being_rescued: Job) -> None:
    older = report_of(ReportKind.READY, url=FRESH_URL, dies_at=NOW + 599)
    assert after_reports(a_job_being_rescued, older) is a_job_being_rescued


def test_a_fresh_url_takes_the_job_from_the_worker_that_has_the_old_one(
    a_job_being_rescued: Job,
) -> None:
    job = after_reports(
        a_job_being_rescued, report_of(ReportKind.READY, Source.POLL, FRESH_URL, NOW + 900)
    )
    assert (job.delivery.urls, job.check.lease_until, job.check.work_deadline) == (
        (FRESH_URL,),
        None,
        NOW + 900,
    )
    assert job.delivery.refreshed


def test_an_error_after_ready_does_not_end_the_rescue(a_job_being_rescued: Job) -> None:
    for kind in (ReportKind.FAILED, ReportKind.MODERATED, ReportKind.PROGRESS, ReportKind.UNCLEAR):
        assert after_reports(a_job_being_rescued, report_of(kind)) is a_job_being_rescued


@pytest.mark.parametrize("kind", ReportKind)
def test_a_late_callback_does_not_reopen_a_lost_job(a_lost_job: Job, kind: ReportKind) -> None:
    assert a_lost_job.status is Status.LOST
    assert after_reports(a_lost_job, report_of(kind)) is a_lost_job


def test_moderated_and_failed_jobs_say_so(a_job_awaiting_its_callback: Job) -> None:
    moderated = after_reports(a_job_awaiting_its_callback, report_of(ReportKind.MODERATED))
    failed = after_reports(a_job_awaiting_its_callback, report_of(ReportKind.FAILED))
    assert moderated.moderation == Moderation("content", ("Violence",))
    assert failed.error == Failure("bfl_error", "no")
    assert failed.moderation is None and moderated.error is None


def test_ready_without_a_url_has_bfl_asked_at_once(a_job_awaiting_its_callback: Job) -> None:
    job = after_reports(a_job_awaiting_its_callback, report_of(ReportKind.UNCLEAR))
    assert job.status is Status.SUBMITTED and job.check.work_deadline is not None


def test_an_unclear_answer_to_a_question_is_not_asked_about_again(
    a_job_awaiting_its_callback: Job,
) -> None:
    asked = after_reports(a_job_awaiting_its_callback, report_of(ReportKind.UNCLEAR)).claimed(
        NOW + 2
    )
    assert after_reports(asked, report_of(ReportKind.UNCLEAR, Source.POLL)) is asked


def test_a_repeated_progress_changes_nothing(a_job_awaiting_its_callback: Job) -> None:
    for source in Source:
        report = report_of(ReportKind.PROGRESS, source)
        once = after_reports(a_job_awaiting_its_callback, report)
        assert after_reports(once, report) is once


def test_a_job_whose_lease_ran_out_waits_for_a_worker_again(a_job_being_rescued: Job) -> None:
    job = a_job_being_rescued.recheck(NOW + 2 + LEASE_SECONDS)
    assert job.check.lease_until is None and job.check.work_deadline == job.delivery.expire_at
    assert job.check.fencing_token == a_job_being_rescued.check.fencing_token


def test_a_running_lease_is_left_alone(a_job_being_rescued: Job) -> None:
    job = a_job_being_rescued.recheck(NOW + 3)
    assert (job.check.lease_until, job.check.work_deadline) == (
        a_job_being_rescued.check.lease_until,
        None,
    )


def test_a_claim_at_the_last_moment_does_not_put_off_the_deadline(
    a_job_awaiting_its_callback: Job,
) -> None:
    last = a_job_awaiting_its_callback.deadline - 1
    job = after_reports(
        a_job_awaiting_its_callback, report_of(ReportKind.UNCLEAR), now=last
    ).claimed(last)
    assert job.check.next_check_at == job.deadline


def test_a_queued_job_is_checked_again_in_case_its_rq_job_was_lost(
    a_job_to_be_rescued: Job,
) -> None:
    assert a_job_to_be_rescued.check.next_check_at == NOW + 1 + RECHECK_SECONDS


def test_an_unfetched_job_expires_at_its_deadline(a_job_to_be_rescued: Job) -> None:
    job = a_job_to_be_rescued.recheck(a_job_to_be_rescued.deadline)
    assert (job.status, job.delivery.urls) == (Status.EXPIRED, ())
    assert job.error is not None


def test_a_replayed_job_is_asked_about_at_once_and_has_a_new_deadline(a_lost_job: Job) -> None:
    job = submission.reopen(a_lost_job, NOW + 9000, TIMEOUTS)
    assert (job.status, job.deadline, job.error) == (Status.SUBMITTED, NOW + 12600, None)
    assert job.check.work_deadline is not None and job.check.is_replay


@pytest.mark.parametrize("state", [Status.STORED, Status.MODERATED, *OPEN])
def test_what_is_stored_refused_or_under_way_is_not_replayed(state: Status) -> None:
    job = replace(Job.expected("job", NOW, TIMEOUTS), status=state)
    assert submission.reopen(job, NOW, TIMEOUTS) is job


def test_a_long_timeline_keeps_its_beginning_and_its_end(a_lost_job: Job) -> None:
    job = a_lost_job
    for n in range(200):
        job = job.with_event(NOW + n, EventCode.POLL_RETRIED, n=n)
    assert len(job.timeline) == TIMELINE_MAX
    assert job.timeline[1].detail == {"n": 0} and job.timeline[-1].detail == {"n": 199}


# Fields that nothing else reads.


def test_a_job_that_bfl_has_ends_within_a_day(a_job_awaiting_its_callback: Job) -> None:
    assert a_job_awaiting_its_callback.check.ends_by == NOW + TIMEOUTS.give_up_at_most


def test_details_of_a_caller_move_the_time_of_the_last_change(
    a_job_awaiting_its_callback: Job,
) -> None:
    after = a_job_awaiting_its_callback.with_details(NOW + 7, {"model": "flux-2-pro"})
    assert after.updated_at == NOW + 7
    assert after.with_details(NOW + 9, {"model": "flux-2-pro"}) is after


def test_a_fencing_token_rises_even_when_the_clock_goes_back(a_job_to_be_rescued: Job) -> None:
    first = a_job_to_be_rescued.claimed(NOW + 100).check.fencing_token
    again = a_job_to_be_rescued.with_check(fencing_token=first)
    assert again.claimed(NOW).check.fencing_token == first + 1
