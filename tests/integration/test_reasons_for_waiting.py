"""While a job waits for an account or an outage, a client of BFL's API is told so in `details`."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from receiver.checks import bfl
from receiver.checks.context import Context
from tests.harness.local_worker import LocalWorker


def polled(api: FlaskClient, job_id: str) -> Any:
    return api.get(f"/v1/get_result?id={job_id}").get_json()


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ({"submit_status": 401}, "refuses the API key: Not authenticated"),
        ({"submit_status": 402}, "your BFL project's spending limit, or the key's permission"),
        ({"submit_status": 403}, "your BFL project's spending limit, or the key's permission"),
        (
            {"submit_status": 402, "submit_detail": "Limit of 'ads' reached"},
            "Limit of 'ads'",
        ),
        ({"submit_status": 403, "submit_detail": "Key may not generate"}, "may not generate"),
        ({"submit_status": 429}, "too many tasks"),
        ({"submit_status": 502}, "BFL answered 502"),
        ({"submit_status": 500}, "BFL answered 500"),
        ({"submit_cut": True, "callback": "never"}, "no answer from BFL"),
    ],
)
def test_details_name_the_reason(
    worker: LocalWorker, api: FlaskClient, switches: dict[str, Any], reason: str
) -> None:
    worker.post("a", given={"prompt": "a", "sandbox": switches})
    assert polled(api, "a")["details"] is None
    worker.work()
    body = polled(api, "a")
    (result,) = bfl.check_submissions(Context(worker.services.settings, worker.services))
    if "submit_detail" in switches:
        assert not result.ok and switches["submit_detail"] in result.why
        assert "https://dashboard.bfl.ai" in result.why
    assert body["status"] == "Pending" and reason in body["details"]["Waiting"][0]


@pytest.mark.parametrize(
    ("status", "account", "reason"),
    [
        (402, {"credits": 20.0}, "BFL says that the credits are used up: Insufficient credits"),
        (403, {"keys": ["another"]}, "BFL refuses the API key: Not authenticated - Invalid"),
    ],
)
def test_without_ample_credits_the_account_is_the_cause(
    worker: LocalWorker, status: int, account: dict[str, Any], reason: str
) -> None:
    worker.sandbox.settings.change(account)
    worker.post("a", given={"prompt": "a", "sandbox": {"submit_status": status}})
    worker.work()
    (circuit,) = worker.queue.open_circuits()
    assert circuit.reason.startswith(reason)


def test_others_of_the_model_wait_as_well(worker: LocalWorker, api: FlaskClient) -> None:
    fault = {"prompt": "a", "sandbox": {"submit_status": 503}}
    worker.post("a", given=fault)
    worker.post("b")
    worker.work()
    assert polled(api, "b")["details"] == {"Waiting": ["BFL answered 503"]}
