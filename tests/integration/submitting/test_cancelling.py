"""A queued job is taken back by the key that submitted it, until it is sent to BFL."""

import base64
from typing import Any

import pytest

from jobs.store.redis.keys import PRICES_PREFIX
from tests.harness.agents import tool
from tests.harness.local_worker import LocalWorker
from tests.harness.visitor import csrf_token
from tests.sandbox.formats import gradient

APP = {"x-key": "the-key-of-an-app"}
OTHER = {"x-key": "the-key-of-another-app"}
READER = {"x-key": "the-key-of-a-reader"}
MODEL = "flux-2-pro"


@pytest.fixture
def worker_settings() -> dict[str, str]:
    keys = [
        "a:admin-key-of-tests:admin",
        f"app:{APP['x-key']}:submit:budget=9.5/hour",
        f"other:{OTHER['x-key']}:submit",
        f"reader:{READER['x-key']}:read",
    ]
    return {"API_KEYS": ",".join(keys), "MAX_ACTIVE": "24"}


@pytest.fixture
def priced(worker: LocalWorker) -> LocalWorker:
    """BFL has named the price of the model before."""
    worker.sandbox.set_default_switches(callback="never", seconds=0)
    worker.redis.hset(f"{PRICES_PREFIX}{MODEL}", mapping={"": 30_000, "media": 30_000})
    return worker


def submitted(api: Any, **given: Any) -> str:
    body = {"model": MODEL, "input": {"prompt": "a fox", **given}}
    answer = api.post("/api/jobs", json=body, headers=APP)
    assert answer.status_code == 202
    return str(answer.json["id"])


def reserved(api: Any) -> float:
    (budget,) = api.get("/api/budget", headers=APP).json["budgets"]
    return float(budget["reserved"])


def cancel(api: Any, job_id: str, headers: dict[str, str] = APP) -> Any:
    return api.delete(f"/api/jobs/{job_id}", headers=headers)


def test_a_queued_job_is_taken_back_with_its_reserve_and_input(
    priced: LocalWorker, api: Any
) -> None:
    image = base64.b64encode(gradient(64)).decode()
    job_id = submitted(api, input_image=image)
    assert reserved(api) == 3
    assert list(priced.storage.list_objects())
    assert cancel(api, job_id).status_code == 204
    assert reserved(api) == 0
    assert not list(priced.storage.list_objects())
    assert not priced.work()
    assert priced.posts() == 0
    assert api.get(f"/api/jobs/{job_id}", headers=APP).status_code == 404
    assert cancel(api, job_id).status_code == 404


def test_what_was_sent_is_not_taken_back_and_the_answer_says_so(
    priced: LocalWorker, api: Any
) -> None:
    job_id = submitted(api)
    priced.admit()
    refused = cancel(api, job_id)
    assert refused.status_code == 409
    assert "sent to BFL" in refused.json["detail"]
    assert reserved(api) == 3


@pytest.mark.parametrize(("status", "expected"), [(429, 204), (402, 204), (500, 409), (503, 409)])
def test_after_an_answer_of_bfl_only_a_job_that_made_no_task_is_taken_back(
    priced: LocalWorker, api: Any, status: int, expected: int
) -> None:
    job_id = submitted(api, sandbox={"submit_status": status})
    priced.work()
    assert priced.posts() == 1
    assert cancel(api, job_id).status_code == expected


def test_only_the_key_that_submitted_it_takes_it_back(priced: LocalWorker, api: Any) -> None:
    job_id = submitted(api)
    assert cancel(api, job_id, OTHER).status_code == 409
    assert cancel(api, job_id, READER).status_code == 403
    assert cancel(api, "unknown").status_code == 404
    assert reserved(api) == 3
    assert priced.next() == job_id


def test_agents_take_a_job_back(priced: LocalWorker, api: Any) -> None:
    queued, sent = submitted(api), submitted(api)
    answer = api.post("/mcp", json=tool("cancel_job", id=queued), headers=APP).json["result"]
    assert answer["structuredContent"]["id"] == queued
    assert priced.next() == sent
    priced.admit()
    refused = api.post("/mcp", json=tool("cancel_job", id=sent), headers=APP).json["result"]
    assert refused["isError"] and "sent to BFL" in refused["content"][0]["text"]


def test_the_page_of_a_queued_job_has_a_button(priced: LocalWorker, api: Any) -> None:
    queued, sent = submitted(api), submitted(api)
    token = csrf_token(api.get("/login").text)
    api.post("/login", data={"csrf_token": token, "key": APP["x-key"]})
    page = api.get(f"/jobs/{queued}").text
    assert f'action="/jobs/{queued}/cancel"' in page
    done = api.post(f"/jobs/{queued}/cancel", data={"csrf_token": csrf_token(page)})
    assert done.status_code == 303
    priced.admit()
    assert "/cancel" not in api.get(f"/jobs/{sent}").text
