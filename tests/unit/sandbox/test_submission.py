"""Answers of the sandbox to submissions."""

from typing import Any

import pytest
import requests

from tests.harness.webhook_receiver import Hook
from tests.sandbox import Refused, Sandbox
from tests.unit.sandbox.clients import KEY, submitted


def test_a_submission_is_answered_as_bfl_answers_it(sandbox: Sandbox) -> None:
    answer = submitted(sandbox)
    reply = answer.json()
    assert answer.status_code == 200
    assert reply["polling_url"] == f"{sandbox.url}/v1/get_result?id={reply['id']}"
    assert (reply["cost"], reply["input_mp"], reply["output_mp"]) == (3.0, 0.0, 1.05)
    assert not any(name.lower().startswith("x-ratelimit") for name in answer.headers)


def test_a_submission_with_a_webhook_may_lack_its_polling_url(sandbox: Sandbox, app: Hook) -> None:
    hook = {"webhook_url": app.url}
    assert "polling_url" in submitted(sandbox, **hook).json()
    reply = submitted(sandbox, **hook, sandbox={"polling_url": False}).json()
    assert reply["webhook_url"] == app.url and "polling_url" not in reply


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"webhook_url": ""}, ["body", "webhook_url"]),
        ({"sandbox": {"no_such_switch": 1}}, ["body", "sandbox", "no_such_switch"]),
        ({"sandbox": {"callback": "often"}}, ["body", "sandbox", "callback"]),
        ({"sandbox": {"poll_404": True}}, ["body", "sandbox", "poll_404"]),
    ],
)
def test_bad_input_is_named(sandbox: Sandbox, body: dict[str, Any], loc: list[str]) -> None:
    answer = submitted(sandbox, **body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == loc


def test_a_refusal_is_an_error_in_this_process(sandbox: Sandbox) -> None:
    with pytest.raises(Refused, match="429"):
        sandbox.submit(switches={"submit_status": 429})


def test_errors_have_the_recorded_bodies(sandbox: Sandbox) -> None:
    sandbox.settings.keys = {"right"}
    refused = submitted(sandbox)
    assert refused.status_code == 403
    assert refused.json() == {"detail": "Not authenticated - Invalid Authentication"}
    sandbox.settings.keys = set()
    assert submitted(sandbox, "unknown-model").json() == {"detail": "Not Found"}
    tool = requests.post(f"{sandbox.url}/v1/flux-tools/erase-v1", json={}, headers=KEY, timeout=30)
    assert (tool.status_code, tool.json()["detail"][0]["loc"]) == (422, ["body", "image"])


def test_credits_run_out_and_come_back(sandbox: Sandbox) -> None:
    sandbox.settings.credits = 4
    assert [submitted(sandbox).status_code for _ in range(2)] == [200, 402]
    left = requests.get(f"{sandbox.url}/v1/credits", headers=KEY, timeout=30).json()
    assert left == {"credits": 1.0}
    sandbox.settings.credits = 10
    assert submitted(sandbox).status_code == 200


def test_active_tasks_are_limited_in_total_and_per_model(sandbox: Sandbox) -> None:
    sandbox.settings.generation_seconds = 60
    kontext = [submitted(sandbox, "flux-kontext-max").status_code for _ in range(7)]
    others = [submitted(sandbox).status_code for _ in range(19)]
    assert (kontext.count(200), others.count(200)) == (6, 18)
    assert sandbox.peak.peak == 24 and sandbox.peak.peak_by_model["flux-kontext-max"] == 6
    assert sandbox.peak.refused == 2
