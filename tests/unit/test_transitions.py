"""The transition table; `steps/transitions.txt` has all that each report changes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.domain import submission
from jobs.domain.job import LAST_LOOK_SECONDS, Job
from jobs.domain.status import REPLAYABLE, TERMINAL, TRANSITIONS, ReportKind, Source, Status
from jobs.domain.transitions import transition
from tests.harness.reports import FRESH_URL, NOW, TIMEOUTS, URL, report_of


def test_the_table_leads_from_awaited_jobs_to_their_ends_and_never_back() -> None:
    order = list(Status)
    assert order[-5:] == [state for state in Status if state in TERMINAL]
    assert REPLAYABLE < TERMINAL and not [row for row in TRANSITIONS if row[0].terminal]
    awaited = product((Status.QUEUED, Status.SUBMITTED), ReportKind)
    assert not set(awaited) - set(TRANSITIONS), "everything that BFL can say"
    assert [kind for state, kind in TRANSITIONS if state is Status.READY] == [ReportKind.READY]
    for (state, _), after in TRANSITIONS.items():
        assert order.index(after) >= order.index(state)


@pytest.mark.parametrize(("state", "kind"), [*product(Status, ReportKind)])
def test_each_pair_leads_where_the_table_says_or_nowhere(state: Status, kind: ReportKind) -> None:
    job = replace(Job.awaited("job", NOW, TIMEOUTS), status=state)
    listed = TRANSITIONS.get((state, kind))
    report = report_of(kind) if listed else report_of(kind, dies_at=NOW + 9000)
    after = transition(job, report, NOW + 1, TIMEOUTS)
    assert after.status is listed if listed else after is job


@pytest.mark.parametrize("state", sorted(set(Status) - REPLAYABLE))
def test_what_is_stored_refused_or_under_way_is_not_replayed(state: Status) -> None:
    job = replace(Job.awaited("job", NOW, TIMEOUTS), status=state)
    assert submission.replay(job, NOW, TIMEOUTS) is job


Walk = list[tuple[float, Callable[[Job, float], Job]]]

REPORTS = st.builds(
    report_of,
    st.sampled_from(ReportKind),
    st.sampled_from(Source),
    st.sampled_from([URL, FRESH_URL]),
    st.none() | st.floats(NOW - 1000, NOW + 20_000),
)


def _held(step: Callable[[Job, float], Job], job: Job, now: float) -> Job:
    """Only a worker that holds the job takes such a step."""
    return step(job, now) if job.lease.lease_until is not None else job


STEPS = st.one_of(
    REPORTS.map(lambda report: lambda job, now: transition(job, report, now, TIMEOUTS)),
    st.just(Job.recheck),
    st.just(lambda job, now: job if job.lease.work_deadline is None else job.claimed(now)),
    st.sampled_from([Job.leased, Job.release]).map(lambda step: partial(_held, step)),
    st.tuples(st.floats(0, 4000), st.booleans()).map(
        lambda how: partial(_held, lambda job, now: job.back_off(now, how[0], firm=how[1]))
    ),
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
        assert job.lease.work_deadline is None or job.lease.lease_until is None
        assert bool(job.delivery.urls) is (job.status is Status.READY)
        assert given_up(job, now).status.terminal
        if job.status.terminal:
            assert job.polling.next_check_at is job.lease.work_deadline is None
            assert job.lease.lease_until is job.delivery.expire_at is None
        else:
            assert (
                job.polling.next_check_at is not None and job.polling.next_check_at <= job.deadline
            )
    for (_, before), (_, after) in pairwise(passed):
        assert not before.status.terminal or after is before
        assert after.lease.fencing_token >= before.lease.fencing_token
        assert after.deadline >= before.deadline
