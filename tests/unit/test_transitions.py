"""The transition table; `steps/transitions.txt` has all that each report changes."""

from dataclasses import replace
from itertools import product

import pytest

from jobs.domain import submission
from jobs.domain.job import Job
from jobs.domain.status import REPLAYABLE, TERMINAL, TRANSITIONS, ReportKind, Status
from jobs.domain.transitions import transition
from tests.harness.reports import NOW, TIMEOUTS, report_of


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
    assert REPLAYABLE < TERMINAL


@pytest.mark.parametrize(
    ("state", "kind"), sorted(set(product(Status, ReportKind)) - set(TRANSITIONS))
)
def test_a_pair_that_is_not_listed_changes_nothing(state: Status, kind: ReportKind) -> None:
    job = replace(Job.awaited("job", NOW, TIMEOUTS), status=state)
    assert transition(job, report_of(kind, dies_at=NOW + 9000), NOW + 1, TIMEOUTS) is job


@pytest.mark.parametrize("row", sorted(TRANSITIONS))
def test_a_listed_pair_leads_where_the_table_says(row: tuple[Status, ReportKind]) -> None:
    job = replace(Job.awaited("job", NOW, TIMEOUTS), status=row[0])
    assert transition(job, report_of(row[1]), NOW + 1, TIMEOUTS).status is TRANSITIONS[row]


@pytest.mark.parametrize("state", sorted(set(Status) - REPLAYABLE))
def test_what_is_stored_refused_or_under_way_is_not_replayed(state: Status) -> None:
    job = replace(Job.awaited("job", NOW, TIMEOUTS), status=state)
    assert submission.replay(job, NOW, TIMEOUTS) is job
