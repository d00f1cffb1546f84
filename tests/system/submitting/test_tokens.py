"""A job that Fluxkeep submitted: callbacks need its token and secret; what callers may change."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.harness import DEFAULTS, Client, Stack
from tests.sandbox import Task


def send_failure(url: str | None, secret: str | None, task: Task, auth: str = "secret") -> Any:
    """Send the callback of a failure for the task, with this URL and secret."""
    assert url and secret
    origin, slash, path = url.partition("/webhooks/")
    client = Client(origin, secret=secret)
    text = {"id": task.id, "status": "Error", "result": None}
    answer = client.callback(text, auth, path=slash + path)
    client.close()
    return answer


class Pair:
    """Two jobs that are at BFL; what was leaked is tried on the other."""

    def __init__(self, env: Stack) -> None:
        self.env = env
        self.jobs = [env.posted(callback="never") for _ in range(2)]
        for job in self.jobs:
            env.submitted(job)
        self.a, self.b = (env.task(job) for job in self.jobs)

    def state(self, n: int) -> str:
        return str(self.env.client.job(self.jobs[n]["id"])["status"])


@pytest.fixture
def pair(env: Stack) -> Iterator[Pair]:
    found = Pair(env)
    yield found
    for task, job in zip((found.a, found.b), found.jobs, strict=True):
        env.sandbox.call_back(task.id)
        env.ended(job)


@pytest.mark.parametrize("auth", ["secret", "signature"])
def test_only_its_own_secret_at_its_own_address_proves_a_callback(pair: Pair, auth: str) -> None:
    shared, general = str(DEFAULTS["WEBHOOK_SECRET"]), pair.env.webhook_url
    for url, secret, task in (
        (pair.b.webhook_url, pair.a.webhook_secret, pair.b),
        (pair.a.webhook_url, shared, pair.a),
        (general, shared, pair.a),  # it makes no second job of a task that Fluxkeep submitted
        (general, pair.a.webhook_secret, pair.a),
    ):
        assert send_failure(url, secret, task, auth).status_code == 401
    assert pair.env.client.job(pair.a.id)["id"] == pair.jobs[0]["id"]
    assert pair.a.id not in [job["id"] for job in pair.env.client.jobs(limit=20)]
    assert [pair.state(0), pair.state(1)] == ["submitted", "submitted"]


def test_what_proves_one_job_tells_of_no_other_whatever_the_body_says(pair: Pair) -> None:
    answer = send_failure(pair.a.webhook_url, pair.a.webhook_secret, pair.b)
    assert answer.status_code == 401
    assert [pair.state(0), pair.state(1)] == ["submitted", "submitted"]


def forged(url: str) -> dict[str, str]:
    base, _, token = url.rpartition("/")
    payload, _, signature = token.rpartition(".")
    return {
        "another job's name": f"{base}/{payload[:-2]}AA.{signature}",
        # Not the last character: its low bits are no part of the signature.
        "a bit off": f"{base}/{token[:-2]}{'A' if token[-2] != 'A' else 'B'}{token[-1]}",
        "no signature": f"{base}/{payload}",
        "a media link": f"{base}/WyJhIiwwLDFd.{signature}",
        "not ascii": f"{base}/%ff%fe.{signature}",
    }


@pytest.mark.parametrize("name", forged("http://a/b.c"))
def test_a_forged_token_is_refused_like_no_proof(pair: Pair, name: str) -> None:
    assert pair.a.webhook_url
    answer = send_failure(forged(pair.a.webhook_url)[name], pair.a.webhook_secret, pair.a)
    plain = send_failure(pair.env.webhook_url, "wrong", pair.a)
    wrong = send_failure(pair.a.webhook_url, "wrong", pair.a)
    assert (answer.status_code, answer.content) == (401, plain.content)
    assert (wrong.status_code, wrong.content) == (401, plain.content)
    assert pair.state(0) == "submitted"


def test_the_token_and_the_secret_are_never_shown(pair: Pair) -> None:
    env = pair.env
    shown = json.dumps([env.client.job(job["id"]) for job in pair.jobs])
    text = shown + env.installation.logs()
    for task in (pair.a, pair.b):
        token = (task.webhook_url or "").rpartition("/")[2]
        assert token not in text and str(task.webhook_secret) not in text


@pytest.fixture
def views(env: Stack) -> Iterator[str]:
    """The URL of a web process without the accelerator."""
    env.installation.start("web", CALLBACK_ACCELERATOR="off")
    yield env.installation.urls[1]
    env.installation.hang_up()
    env.installation.web[1].stop()
    del env.installation.ports[1:]


def test_the_views_alone_tell_jobs_apart_like_the_accelerator(pair: Pair, views: str) -> None:
    path = (pair.a.webhook_url or "").partition("/webhooks/")[2]
    own, shared = f"{views}/webhooks/{path}", str(DEFAULTS["WEBHOOK_SECRET"])
    for secret in (shared, pair.b.webhook_secret, "wrong"):
        assert send_failure(own, secret, pair.a).status_code == 401
    for forgery in forged(own).values():
        assert send_failure(forgery, pair.a.webhook_secret, pair.a).status_code == 401
    assert pair.state(0) == "submitted"
    assert send_failure(own, pair.a.webhook_secret, pair.a).status_code == requests.codes.ok
    assert pair.state(0) == "failed"


@pytest.mark.parametrize(
    "body",
    [
        {"model": "flux-2-max"},
        {"polling_url": "https://api.bfl.ai/v1/get_result?id=other"},
        {"input": {"prompt": "another"}},
    ],
    ids=str,
)
def test_an_announcement_sends_a_job_of_ours_nowhere_else(env: Stack, body: dict[str, Any]) -> None:
    job = env.posted(callback="never")
    before = env.submitted(job)
    refused = env.client.put_job(job["id"], **body)
    assert refused.status_code == 409 and "Fluxkeep submits" in refused.json()["detail"]
    by_task = env.client.put_job(before["task_id"], **body)
    assert by_task.status_code == 409
    after = env.client.job(job["id"])
    assert (after["model"], after["input"]) == (before["model"], before["input"])
    env.sandbox.call_back(env.task(job).id)
    env.stored_job(job)


@pytest.mark.parametrize("named", ["the task of another job", "the id of another job"])
def test_the_secret_of_an_unconfirmed_job_takes_no_name_of_another(env: Stack, named: str) -> None:
    unconfirmed = env.posted(submit_hang=60, callback="never")
    other = env.posted(callback="never")
    task_id = env.submitted(other)["task_id"]
    mine = env.task(unconfirmed)
    named_task = Task(**{**vars(mine), "id": task_id if "task" in named else other["id"]})
    answer = send_failure(mine.webhook_url, mine.webhook_secret, named_task)
    assert answer.status_code == 401
    assert env.client.job(task_id)["id"] == other["id"]
    assert env.client.job(unconfirmed["id"])["task_id"] is None
    timeline = env.client.job(unconfirmed["id"])["timeline"]
    (refused,) = [line["detail"] for line in timeline if "refused" in line["event"]]
    assert "another job" in str(refused)
    for job in (other, unconfirmed):
        env.sandbox.call_back(env.task(job).id)
        env.stored_job(job)
