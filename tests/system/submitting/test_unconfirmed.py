"""Submissions that BFL may have taken: its callback settles it, or nothing does.

All cases run side by side.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness import Stack, running_stack
from tests.sandbox import Settings
from tests.system.submitting.conftest import events

GRACE_SECONDS, GIVE_UP_SECONDS = 1.5, 7.0
FALSE_ERROR: dict[str, Any] = {"submit_false_error": 500}
CASES: dict[str, dict[str, Any]] = {
    "one error": {"submit_status": 500, "submit_times": 1},
    "cut": {"submit_cut": True, "seconds": 0.5},
    "cut in silence": {"submit_cut": True, "callback": "never"},
    "cut and moderated": {
        "submit_cut": True,
        "outcome": "request_moderated",
        "callback_delay": 0.5,
    },
    "unreadable": {"submit_json": "cut", "seconds": 0.5},
    "unreadable and odd in all": {
        "submit_json": "html",
        "poll_json": "byte_order_mark",
        "callback_json": "nan",
        "seconds": 0.5,
    },
    "false error": {**FALSE_ERROR, "seconds": 0.7},
    "false error, callback in time": {
        **FALSE_ERROR,
        "submit_hang": 1.0,
        "seconds": 4.0,
        "progress_events": 9,
    },
    "false error, late callback": {**FALSE_ERROR, "seconds": 7.5, "submit_times": 1},
    "false 429": {
        "submit_false_error": 429,
        "submit_hang": 1.0,
        "seconds": 3.0,
        "progress_events": 9,
    },
}

pytestmark = pytest.mark.slow


class Cases:
    """One job a case."""

    def __init__(self, env: Stack) -> None:
        self.env = env
        # Each with a model of its own: an outage of one holds up the others of its model.
        models = [f"flux-{n}" for n in range(len(CASES))]
        self.jobs = {
            case: env.posted(model, **switches)
            for model, (case, switches) in zip(models, CASES.items(), strict=True)
        }

    def ended(self, case: str) -> dict[str, Any]:
        return self.env.ended(self.jobs[case], 45)

    def submissions(self, case: str) -> int:
        return len(self.env.requests(self.jobs[case]))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    timeouts = {"CALLBACK_GRACE": str(GRACE_SECONDS), "GIVE_UP_AFTER": str(GIVE_UP_SECONDS)}
    roomy = Settings(max_active=1000, any_model=True)
    with running_stack(tmp_path_factory.mktemp("unconfirmed"), roomy, None, **timeouts) as env:
        env.installation.start("worker", n=2)
        yield Cases(env)


def test_after_an_error_without_a_callback_a_job_is_submitted_again(cases: Cases) -> None:
    job = cases.ended("one error")
    assert job["status"] == "stored" and cases.submissions("one error") == 2
    assert {"submission.unconfirmed", "submission.retried"} <= {*events(job)}


@pytest.mark.parametrize(
    ("case", "status"),
    [
        ("cut", "stored"),
        ("unreadable", "stored"),
        ("unreadable and odd in all", "stored"),
        ("cut and moderated", "moderated"),
        ("false error", "stored"),
    ],
)
def test_a_callback_settles_an_unconfirmed_task(cases: Cases, case: str, status: str) -> None:
    job = cases.ended(case)
    assert job["status"] == status and cases.submissions(case) == 1
    assert "submission.unconfirmed" in events(job)
    assert job["task_id"] == cases.env.task(cases.jobs[case]).id


def test_an_unanswered_submission_is_never_sent_again_by_itself(cases: Cases) -> None:
    job = cases.ended("cut in silence")
    assert (job["status"], job["error"]["code"]) == ("lost", "submission_unconfirmed")
    assert cases.submissions("cut in silence") == 1


@pytest.mark.parametrize("case", ["false error, callback in time", "false 429"])
def test_a_callback_is_believed_before_an_answer(cases: Cases, case: str) -> None:
    job = cases.ended(case)
    assert job["status"] == "stored" and cases.submissions(case) == 1
    assert "submission.unconfirmed" not in events(job)


def test_a_job_submitted_twice_is_stored_once(cases: Cases) -> None:
    """The first task calls when the second is already at BFL."""
    case = "false error, late callback"
    job = cases.ended(case)
    assert job["status"] == "stored" and len(job["media"]) == 1
    assert cases.submissions(case) == 2
    assert "submission.retried" in events(job)


def test_in_the_end_the_queue_is_empty(cases: Cases) -> None:
    for case in CASES:
        cases.ended(case)
    cases.env.settled(30)
    assert cases.env.queue_keys() == []
