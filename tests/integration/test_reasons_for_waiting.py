"""While a job waits for an account or an outage, a client of BFL's API is told so in `details`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from receiver.app import create_app
from tests.harness import RedisServer
from tests.harness.worker_environment import process_one
from tests.sandbox import Sandbox
from tests.system.submitting.local_worker import KEY, LocalWorker, built


@pytest.fixture
def local_worker(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox
) -> Iterator[LocalWorker]:
    wired = built(redis_server, tmp_path, BFL_SANDBOX_URL=sandbox.url, BFL_API_KEY=KEY)
    yield LocalWorker(wired, sandbox)
    wired.redis.close()


def polled(local_worker: LocalWorker, job_id: str) -> Any:
    client = create_app(local_worker.wired).test_client()
    return client.get(
        f"/v1/get_result?id={job_id}", headers={"x-key": "admin-key-of-tests"}
    ).get_json()


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ({"submit_status": 402}, "credits are used up"),
        ({"submit_status": 403}, "refuses the API key"),
        ({"submit_status": 429}, "too many tasks"),
        ({"submit_status": 502}, "BFL answered 502"),
        ({"submit_status": 500}, "BFL answered 500"),
        ({"submit_cut": True, "callback": "never"}, "no answer from BFL"),
    ],
)
def test_details_name_the_reason(
    local_worker: LocalWorker, switches: dict[str, Any], reason: str
) -> None:
    local_worker.post("a", given=json.dumps({"prompt": "a", "sandbox": switches}).encode())
    process_one(local_worker.wired)
    body = polled(local_worker, "a")
    assert body["status"] == "Pending" and reason in body["details"]["Waiting"][0]


def test_others_of_the_model_wait_for_the_same_reason(local_worker: LocalWorker) -> None:
    fault = {"prompt": "a", "sandbox": {"submit_status": 503}}
    local_worker.post("a", given=json.dumps(fault).encode())
    local_worker.post("b")
    process_one(local_worker.wired)
    assert polled(local_worker, "b")["details"] == {"Waiting": ["BFL answered 503"]}


def test_there_are_no_details_while_nothing_is_wrong(local_worker: LocalWorker) -> None:
    local_worker.post("a")
    assert polled(local_worker, "a")["details"] is None
    process_one(local_worker.wired)
    assert polled(local_worker, "a")["details"] is None
