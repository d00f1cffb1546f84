"""Invariants of a job under any sequence of reports, checks and claims."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from jobs.job import Job
from jobs.report import Report
from jobs.status import ReportKind, Source, Status
from jobs.transitions import transition
from tests.harness.reports import FRESH_URL, NOW, TIMEOUTS, URL, report_of

Walk = list[tuple[float, Callable[[Job, float], Job]]]

REPORTS = st.builds(
    report_of,
    st.sampled_from(ReportKind),
    st.sampled_from(Source),
    st.sampled_from([URL, FRESH_URL]),
    st.none() | st.floats(NOW - 1000, NOW + 20_000),
)


def _apply(report: Report, job: Job, now: float) -> Job:
    return transition(job, report, now, TIMEOUTS)


def _claim(job: Job, now: float) -> Job:
    return job.claimed(now) if job.check.work_deadline is not None else job


def _held(step: Callable[[Job, float], Job], job: Job, now: float) -> Job:
    """Only a worker that holds the job takes such a step."""
    return step(job, now) if job.check.lease_until is not None else job


def _back_off(pause: float, firm: bool, job: Job, now: float) -> Job:
    return job.back_off(now, pause, firm=firm)


PAUSES = st.floats(0, 4000)
STEPS = st.one_of(
    REPORTS.map(lambda report: partial(_apply, report)),
    st.sampled_from([Job.recheck, _claim]),
    st.sampled_from([Job.renewed, Job.release]).map(lambda step: partial(_held, step)),
    st.builds(partial, st.just(_back_off), PAUSES, st.booleans()).map(lambda s: partial(_held, s)),
)
DELAYS = st.floats(0, 60) | st.floats(0, 5000)
WALKS: st.SearchStrategy[Walk] = st.lists(st.tuples(DELAYS, STEPS), min_size=1, max_size=25)


def walked(walk: Walk) -> list[tuple[float, Job]]:
    """The job after each step, and when that was."""
    now, job = NOW, Job.expected("job", NOW, TIMEOUTS)
    passed = [(now, job)]
    for delay, step in walk:
        now += delay
        job = step(job, now)
        passed.append((now, job))
    return passed


@given(WALKS)
def test_a_terminal_job_never_changes(walk: Walk) -> None:
    for (_, before), (_, after) in pairwise(walked(walk)):
        assert not before.status.terminal or after is before


@given(WALKS)
def test_a_job_that_has_not_ended_is_looked_at_by_its_deadline(walk: Walk) -> None:
    for _, job in walked(walk):
        if not job.status.terminal:
            assert job.check.next_check_at is not None and job.check.next_check_at <= job.deadline


@given(WALKS)
def test_a_job_that_has_ended_has_no_work(walk: Walk) -> None:
    for _, job in walked(walk):
        if job.status.terminal:
            assert (job.check.next_check_at, job.check.work_deadline, job.check.lease_until) == (
                None,
                None,
                None,
            )
            assert (job.delivery.urls, job.delivery.expire_at) == ((), None)


@given(WALKS)
def test_the_fence_never_falls_and_the_deadline_never_shrinks(walk: Walk) -> None:
    for (_, before), (_, after) in pairwise(walked(walk)):
        assert after.check.fencing_token >= before.check.fencing_token
        assert after.deadline >= before.deadline


@given(WALKS)
def test_a_job_is_never_wanted_and_held_at_once(walk: Walk) -> None:
    for _, job in walked(walk):
        assert job.check.work_deadline is None or job.check.lease_until is None


@given(WALKS)
def test_a_look_after_the_deadline_ends_the_job(walk: Walk) -> None:
    for now, job in walked(walk):
        late = max(now, job.deadline)
        assert job.recheck(late).status.terminal


@given(WALKS)
def test_an_open_job_always_has_a_url_exactly_when_it_is_ready(walk: Walk) -> None:
    for _, job in walked(walk):
        assert bool(job.delivery.urls) is (job.status is Status.READY)
