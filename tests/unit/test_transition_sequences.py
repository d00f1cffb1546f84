"""Invariants of a job under any sequence of reports, checks and claims."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.domain.bfl_report import Report
from jobs.domain.job import LAST_LOOK_SECONDS, Job
from jobs.domain.status import ReportKind, Source, Status
from jobs.domain.transitions import transition
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
    return job.claimed(now) if job.claim.work_deadline is not None else job


def _held(step: Callable[[Job, float], Job], job: Job, now: float) -> Job:
    """Only a worker that holds the job takes such a step."""
    return step(job, now) if job.claim.lease_until is not None else job


def _back_off(pause: float, firm: bool, job: Job, now: float) -> Job:
    return job.back_off(now, pause, firm=firm)


PAUSES = st.floats(0, 4000)
STEPS = st.one_of(
    REPORTS.map(lambda report: partial(_apply, report)),
    st.sampled_from([Job.recheck, _claim]),
    st.sampled_from([Job.leased, Job.release]).map(lambda step: partial(_held, step)),
    st.builds(partial, st.just(_back_off), PAUSES, st.booleans()).map(lambda s: partial(_held, s)),
)
DELAYS = st.floats(0, 60) | st.floats(0, 5000)
WALKS: st.SearchStrategy[Walk] = st.lists(st.tuples(DELAYS, STEPS), min_size=1, max_size=25)


def walked(walk: Walk) -> list[tuple[float, Job]]:
    """The job after each step, and when that was."""
    now, job = NOW, Job.awaited("job", NOW, TIMEOUTS)
    passed = [(now, job)]
    for delay, step in walk:
        now += delay
        job = step(job, now)
        passed.append((now, job))
    return passed


def given_up(job: Job, now: float) -> Job:
    """The job after its deadline, or after the time for a last look (I6, I22)."""
    after = job.recheck(max(now, job.deadline))
    assert after.status.terminal or after.deadline - max(now, job.deadline) <= LAST_LOOK_SECONDS
    return after.recheck(max(now, after.deadline))


@settings(max_examples=200)
@given(WALKS)
def test_invariants_hold_after_any_sequence_of_steps(walk: Walk) -> None:
    passed = walked(walk)
    for now, job in passed:
        assert job.claim.work_deadline is None or job.claim.lease_until is None
        assert bool(job.delivery.urls) is (job.status is Status.READY)
        assert given_up(job, now).status.terminal
        if job.status.terminal:
            assert job.polling.next_check_at is job.claim.work_deadline is None
            assert job.claim.lease_until is job.delivery.expire_at is None
        else:
            assert (
                job.polling.next_check_at is not None and job.polling.next_check_at <= job.deadline
            )
    for (_, before), (_, after) in pairwise(passed):
        assert not before.status.terminal or after is before
        assert after.claim.fencing_token >= before.claim.fencing_token
        assert after.deadline >= before.deadline
