"""The input of a job is kept with it, shown to callers who may submit, and deleted with it."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from jobs.store import codec
from tests.harness import Stack, running_stack, wait_for_none
from tests.sandbox import Task
from tests.sandbox.formats import gradient

IMAGE = gradient(3)
ENCODED = base64.b64encode(IMAGE).decode()


def with_image(env: Stack) -> dict[str, Any]:
    body = env.request_body()
    body["input"] |= {"input_image": ENCODED, "seed": 7}
    answer = env.post(body)
    assert answer.status_code == 202, answer.text
    return {**answer.json(), "body": body}


def objects(env: Stack, job_id: str) -> list[str]:
    return [key for key in env.installation.stored_objects.sizes() if job_id in key]


def test_a_prompt_is_kept_and_shown_to_the_submit_scope(env: Stack) -> None:
    job = env.posted()
    env.stored_job(job)
    installation = env.installation
    assert installation.client("submit").job(job["id"])["input"] == job["body"]["input"]
    assert "input" not in installation.client("read").job(job["id"])
    assert "input" not in installation.client("submit").jobs()[0]


def test_an_image_is_kept_beside_the_media_and_served_by_a_link(env: Stack) -> None:
    job = with_image(env)
    env.stored_job(job)
    assert env.task(job).input["input_image"] == ENCODED
    shown = env.client.job(job["id"])
    given = job["body"]["input"]
    assert {**shown["input"], "input_image": ENCODED} == given
    assert requests.get(shown["input"]["input_image"], timeout=30).content == IMAGE
    assert len(shown["media"]) == 1 and shown["media"][0]["role"] == "sample"
    (key,) = [key for key in objects(env, job["id"]) if "-input-" in key]
    assert key.endswith(".png")
    (sidecar,) = [key for key in objects(env, job["id"]) if key.endswith(".json")]
    described = json.loads(env.installation.stored_objects.read(sidecar))
    assert described["input"] == {**given, "input_image": "input:0"}
    assert [(file["key"], file["role"]) for file in described["input_files"]] == [(key, "input")]
    with env.installation.redis.client() as redis:
        record: Any = redis.get(f"fluxkeep:job:{job['id']}")
    assert record and len(record) < 4096 and env.input_notes() == []


def test_the_input_of_a_refused_submission_is_kept(env: Stack) -> None:
    body = env.request_body()
    body["input"] |= {"input_image": ENCODED, "width": 1}
    job = env.post(body).json()
    assert env.ended(job)["status"] == "failed"
    assert env.client.job(job["id"])["input"]["width"] == 1


def test_a_caller_may_bring_the_input_of_its_own_submission(env: Stack) -> None:
    task = announced(env)
    given = {"prompt": "mine", "webhook_secret": "canary-7", "input_image": ENCODED}
    assert env.client.put_job(task.id, input=given).status_code == 200
    assert env.client.put_job(task.id, input={"prompt": "another"}).status_code == 200
    shown = env.client.job(task.id)["input"]
    assert shown.keys() == {"prompt", "input_image"} and shown["prompt"] == "mine"
    assert env.client.media({"media": [{"url": shown["input_image"]}]}) == IMAGE


def announced(env: Stack) -> Task:
    task = env.generate()
    env.announce(task)
    env.stored(task)
    return task


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("forgetful")
    with running_stack(directory, KEEP_INPUTS="no") as opened:
        yield opened


def test_nothing_is_kept_where_the_operator_says_so(forgetful: Stack) -> None:
    job = with_image(forgetful)
    forgetful.stored_job(job)
    assert "input" not in forgetful.client.job(job["id"])
    left = lambda: [key for key in objects(forgetful, job["id"]) if "-input-" in key]  # noqa: E731
    wait_for_none("its input is deleted", left)
    wait_for_none("and its note", forgetful.input_notes)
    with forgetful.installation.redis.client() as redis:
        record: Any = redis.get(f"fluxkeep:job:{job['id']}")
    assert codec.decode(record).request.kept_input is None
    task = announced(forgetful)
    assert forgetful.client.put_job(task.id, input={"prompt": "mine"}).status_code == 200
    assert "input" not in forgetful.client.job(task.id)
