"""A job is made again from its kept input, with changes."""

import base64
import re
from typing import Any

import requests

from receiver.dashboard.job import RELATED_MAX
from tests.harness import Stack
from tests.harness.visitor import Visitor
from tests.sandbox.formats import gradient

ENCODED = base64.b64encode(gradient(5)).decode()


def repeat(
    env: Stack,
    job_id: str,
    body: dict[str, Any] | None = None,
    key: str | None = None,
    scope: str = "submit",
) -> requests.Response:
    headers = {"Idempotency-Key": key} if key else {}
    caller = env.installation.client(scope)
    return caller.request("POST", f"/api/jobs/{job_id}/repeats", json=body or {}, headers=headers)


def original(env: Stack) -> dict[str, Any]:
    body = env.request_body() | {"metadata": {"album": "fog"}}
    body["input"] |= {"input_image": ENCODED, "seed": 7}
    answer = env.post(body)
    assert answer.status_code == 202, answer.text
    job = {**answer.json(), "body": body}
    env.stored_job(job)
    return job


def sent(env: Stack, job_id: str) -> dict[str, Any]:
    """The input that BFL got for a job, without our webhook."""
    job = env.client.wait_for(job_id)
    assert job["status"] == "stored", job
    return dict(env.sandbox.task(job["task_id"]).input)


def test_a_repeat_sends_the_same_input(env: Stack) -> None:
    job = original(env)
    answer = repeat(env, job["id"])
    assert answer.status_code == 202, answer.text
    again = answer.json()
    assert again["id"] != job["id"] and again["repeats"] == job["id"]
    assert (again["model"], again["metadata"]) == ("flux-2-pro", {"album": "fog"})
    assert answer.headers["Location"] == f"/api/jobs/{again['id']}"
    assert sent(env, again["id"])["input_image"] == ENCODED
    assert sent(env, again["id"]) == sent(env, job["id"])


def test_changes_replace_values_and_null_removes_one(env: Stack) -> None:
    job = original(env)
    changes = {"model": "flux-2-max", "input": {"seed": 8, "input_image": None}, "metadata": {}}
    again = repeat(env, job["id"], changes).json()
    expected = {**job["body"]["input"], "seed": 8}
    del expected["input_image"]
    assert {**sent(env, again["id"]), "sandbox": 0} == {**expected, "sandbox": 0}
    assert env.client.job(again["id"])["model"] == "flux-2-max"
    assert again["metadata"] == {}


def test_a_job_stands_among_its_variants_however_many_there_are(env: Stack) -> None:
    job = original(env)
    ids = [repeat(env, job["id"]).json()["id"] for _ in range(RELATED_MAX + 1)]
    for job_id in ids:
        sent(env, job_id)
    page = Visitor(env.installation.url).get(f"/jobs/{job['id']}").text
    assert len(re.findall(r'">Variant\s', page)) == 1 + RELATED_MAX
    assert len(re.findall(r"<li[^>]*aria-current", page)) == 1
    assert f"/jobs/{ids[0]}" not in page and f"/jobs/{ids[-1]}" in page


def test_a_job_with_an_image_is_repeated_at_once(env: Stack) -> None:
    for _ in range(5):
        job = env.client.submit(prompt="an edit", input_image=ENCODED)
        again = repeat(env, job["id"])
        assert again.status_code == 202, again.text
    assert sent(env, again.json()["id"])["input_image"] == ENCODED


def test_what_cannot_be_repeated_says_why(env: Stack) -> None:
    assert repeat(env, "no-such-job").status_code == 404
    task = env.generate()
    env.stored(task)
    answer = repeat(env, task.id)
    assert answer.status_code == 409 and "is not kept" in answer.json()["detail"]
    job = original(env)
    assert repeat(env, job["id"], scope="read").status_code == 403
    wrong = repeat(env, job["id"], {"input": {"webhook_url": "https://app.example"}})
    assert wrong.status_code == 422 and "notify_url" in wrong.text


def test_an_announced_job_is_repeated_from_the_input_that_it_was_given(env: Stack) -> None:
    task = env.generate()
    env.announce(task, model="flux-2-pro", input={"prompt": "mine", "seed": 3})
    env.stored(task)
    again = repeat(env, task.id).json()
    assert sent(env, again["id"])["prompt"] == "mine"
