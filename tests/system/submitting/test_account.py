"""Refusals that concern the account: which models they stop."""

import pytest

from jobs.store.submission_queue import ALL_MODELS
from receiver.checks import Context, bfl
from tests.harness.floor import one_turn
from tests.system.submitting.bench import Bench
from tests.system.submitting.test_outages import asked, end_pauses, pauses

REFUSALS = [401, 402, 403]


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_of_one_model_leaves_the_others_going(bench: Bench, status: int) -> None:
    bench.post("a", "dear", asked(submit_status=status))
    bench.post("b", "cheap", asked())
    for _ in range(2):
        one_turn(bench.wired)
    assert list(pauses(bench)) == ["dear"] and bench.job("a").submission.is_queued
    assert bench.job("b").task_id
    (result,) = bfl.check_submissions(Context(bench.wired.settings, bench.wired))
    assert not result.ok and "paused" in result.why


@pytest.mark.parametrize("status", REFUSALS)
def test_a_job_that_alone_is_refused_lets_those_behind_it_go(bench: Bench, status: int) -> None:
    bench.post("a", given=asked(submit_status=status))
    bench.post("b", given=asked())
    one_turn(bench.wired)
    end_pauses(bench)
    one_turn(bench.wired)
    assert bench.job("a").submission.is_queued and bench.job("b").task_id
    assert pauses(bench) == {}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_of_the_account_pauses_everything_and_keeps_the_order(
    bench: Bench, status: int
) -> None:
    bench.box.settings.change({"submit_fault": status})
    for job_id in "ab":
        bench.post(job_id, job_id, asked())
    one_turn(bench.wired)
    assert list(pauses(bench)) == [ALL_MODELS]
    end_pauses(bench)
    assert bench.next() == "a"


def test_where_it_is_not_clear_the_next_probe_is_another(bench: Bench) -> None:
    """A few credits are left: enough for a picture, and not for a video."""
    bench.box.settings.change({"credits": 20.0})
    bench.post("a", "video", asked(submit_status=402))
    bench.post("b", "picture", asked())
    one_turn(bench.wired)
    assert list(pauses(bench)) == [ALL_MODELS]
    end_pauses(bench)
    one_turn(bench.wired)
    assert bench.job("b").task_id and pauses(bench) == {}
