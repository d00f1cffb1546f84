"""When no callback comes BFL is asked, politely, until it gives its last word or time is up."""

import json
from datetime import datetime
from typing import Any

import pytest
import requests

from tests.harness import Stack
from tests.sandbox import Task

GRACE_SECONDS = 1
GIVE_UP_SECONDS = 25
GIVE_UP_AT_MOST_SECONDS = 40  # of what BFL calls pending all the while
SWEEP_SECONDS = 5
LATE_SECONDS = 30  # what a busy machine may add to it

# All of them begin at once, each on its own task that never calls back.
SITUATIONS: dict[str, dict[str, Any]] = {
    "silent": {},
    "404 twice": {"poll_404": 2},
    "not found in words": {"poll_status_not_found": 2},
    "500": {"poll_500": 2},
    "html": {"poll_html": 1},
    "cut": {"poll_cut": 1},
    "moderated": {"outcome": "content_moderated"},
    "failed": {"outcome": "error", "error_text": "the model ran dry"},
    "pending for ever": {"outcome": "pending_forever"},
    "not found for ever": {"poll_404": 10_000},
    "hangs": {"poll_hang": 60},
}

SETTINGS = {
    "CALLBACK_GRACE": str(GRACE_SECONDS),
    "GIVE_UP_AFTER": str(GIVE_UP_SECONDS),
    "GIVE_UP_AT_MOST": str(GIVE_UP_AT_MOST_SECONDS),
}


def afterwards(stack: Stack) -> None:
    stack.settled(GIVE_UP_AT_MOST_SECONDS + SWEEP_SECONDS + 5)


@pytest.fixture(scope="module")
def tasks(stack: Stack) -> dict[str, Task]:
    """One announced task for each situation, with the polling URL BFL gave if there is one."""
    stack.installation.start("worker", n=2)  # one of the tasks keeps a worker busy
    url, key, found = f"{stack.sandbox.url}/v1/flux-2-pro", {"x-key": "caller"}, {}
    for name, switches in SITUATIONS.items():
        body = {"prompt": "a fox", "sandbox": {"seconds": 0, "callback": "never", **switches}}
        submitted = requests.post(url, json=body, headers=key, timeout=30).json()
        found[name] = stack.sandbox.task(submitted["id"])
        stack.announce(found[name], polling_url=submitted["polling_url"])
    return found


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def ended(stack: Stack, task: Task) -> dict[str, Any]:
    return stack.client.wait_for(task.id, timeout=GIVE_UP_AT_MOST_SECONDS + SWEEP_SECONDS + 5)


def kept(stack: Stack, task: Task) -> dict[str, Any]:
    job = stack.stored(task, GIVE_UP_SECONDS + SWEEP_SECONDS + 5)
    assert job["source"] == "poll" and job["media"]
    return job


def test_a_job_is_polled_once_its_grace_is_over(stack: Stack, tasks: dict[str, Task]) -> None:
    job = kept(stack, tasks["silent"])
    (asked,) = stack.polls(tasks["silent"])
    waited = asked.time - datetime.fromisoformat(job["created_at"]).timestamp()
    assert GRACE_SECONDS <= waited <= GRACE_SECONDS + SWEEP_SECONDS + LATE_SECONDS


@pytest.mark.parametrize("situation", ["404 twice", "not found in words"])
def test_a_task_that_is_not_found_twice_is_asked_for_again(
    stack: Stack, tasks: dict[str, Task], situation: str
) -> None:
    job = kept(stack, tasks[situation])
    assert len(stack.polls(tasks[situation])) == 3
    assert "poll.retried" in [line["event"] for line in job["timeline"]]


@pytest.mark.parametrize("situation", ["500", "html", "cut"])
def test_an_answer_that_says_nothing_is_asked_for_again(
    stack: Stack, tasks: dict[str, Task], situation: str
) -> None:
    kept(stack, tasks[situation])
    assert len(stack.polls(tasks[situation])) == (3 if situation == "500" else 2)


@pytest.mark.parametrize(
    ("status", "reason"), [("moderated", "Violence"), ("failed", "the model ran dry")]
)
def test_a_final_answer_ends_the_job_with_its_reason(
    stack: Stack, tasks: dict[str, Task], status: str, reason: str
) -> None:
    job = ended(stack, tasks[status])
    assert (job["status"], job["source"]) == (status, "poll")
    assert reason in json.dumps(job["moderation"] or job["error"])


@pytest.mark.parametrize(
    ("situation", "code", "seconds"),
    [
        ("pending for ever", "still_pending", GIVE_UP_AT_MOST_SECONDS),
        ("not found for ever", "no_final_word", GIVE_UP_SECONDS),
        ("hangs", "no_final_word", GIVE_UP_SECONDS),
    ],
)
def test_a_job_that_gets_no_final_word_is_lost_at_its_deadline(
    stack: Stack, tasks: dict[str, Task], situation: str, code: str, seconds: int
) -> None:
    job = ended(stack, tasks[situation])
    assert (job["status"], job["error"]["code"]) == ("lost", code)
    # Each time is rounded to a millisecond by itself.
    assert abs(seconds_between(job["created_at"], job["deadline"]) - seconds) < 0.0015
    assert 0 <= seconds_between(job["deadline"], job["updated_at"]) <= SWEEP_SECONDS + LATE_SECONDS
    asked = len(stack.polls(tasks[situation]))
    assert 2 <= asked <= 10, "it is asked again, but not without a pause"


def test_a_result_without_a_sample_is_settled_by_asking_at_once(stack: Stack) -> None:
    # This web process gives callbacks so much grace that only an immediate question counts.
    installation = stack.installation
    installation.start("web", CALLBACK_GRACE="60")
    patient = installation.client(url=installation.urls[1])
    task = stack.finished()
    body = {"id": task.id, "status": "Ready", "result": {}}
    assert patient.callback(body).status_code == 200
    job = kept(stack, task)
    assert seconds_between(job["created_at"], job["updated_at"]) < SWEEP_SECONDS + LATE_SECONDS
    assert len(stack.polls(task)) == 1


def test_the_api_key_goes_to_the_api_and_nowhere_else(stack: Stack, tasks: dict[str, Task]) -> None:
    kept(stack, tasks["silent"])
    kept(stack, stack.generate(life=-1))
    ours = [seen for seen in stack.sandbox.requests if seen.method == "GET"]
    api = [seen for seen in ours if seen.path in ("/v1/get_result", "/v1/credits")]
    everything_else = [seen for seen in ours if seen not in api]
    assert api and any(seen.path.startswith("/results/") for seen in everything_else)
    key = stack.installation.settings["BFL_API_KEY"]
    assert {seen.headers.get("x-key") for seen in api} == {key}
    assert not any(str(key) in str(seen.headers) for seen in everything_else)
