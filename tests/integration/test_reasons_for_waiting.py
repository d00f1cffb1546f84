"""While a job waits for an account or an outage, a client of BFL's API is told so in `details`."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.harness.worker_environment import WorkerEnvironment, process_one


def polled(api: FlaskClient, job_id: str) -> Any:
    return api.get(f"/v1/get_result?id={job_id}").get_json()


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
    local_worker: WorkerEnvironment, api: FlaskClient, switches: dict[str, Any], reason: str
) -> None:
    local_worker.post("a", given={"prompt": "a", "sandbox": switches})
    process_one(local_worker.services)
    body = polled(api, "a")
    assert body["status"] == "Pending" and reason in body["details"]["Waiting"][0]


def test_others_of_the_model_wait_for_the_same_reason(
    local_worker: WorkerEnvironment, api: FlaskClient
) -> None:
    fault = {"prompt": "a", "sandbox": {"submit_status": 503}}
    local_worker.post("a", given=fault)
    local_worker.post("b")
    process_one(local_worker.services)
    assert polled(api, "b")["details"] == {"Waiting": ["BFL answered 503"]}


def test_there_are_no_details_while_nothing_is_wrong(
    local_worker: WorkerEnvironment, api: FlaskClient
) -> None:
    local_worker.post("a")
    assert polled(api, "a")["details"] is None
    process_one(local_worker.services)
    assert polled(api, "a")["details"] is None
