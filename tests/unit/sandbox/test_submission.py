"""Submissions to the sandbox, its callbacks and its controls."""

import hashlib
import hmac
import json
import time
from typing import Any

import pytest
import requests

from tests.harness.patience import wait_for
from tests.harness.webhook_receiver import Hook
from tests.sandbox import Refused, Sandbox
from tests.unit.sandbox.conftest import KEY, submitted


def test_a_submission_is_answered_as_bfl_answers_it(sandbox: Sandbox, app: Hook) -> None:
    answer = submitted(sandbox)
    reply = answer.json()
    assert answer.status_code == 200
    assert reply["polling_url"] == f"{sandbox.url}/v1/get_result?id={reply['id']}"
    assert (reply["cost"], reply["input_mp"], reply["output_mp"]) == (3.0, 0.0, 1.05)
    assert not any(name.lower().startswith("x-ratelimit") for name in answer.headers)
    hook = {"webhook_url": app.url}
    reply = submitted(sandbox, **hook).json()
    assert reply["webhook_url"] == app.url and "polling_url" not in reply
    assert "polling_url" in submitted(sandbox, **hook, sandbox={"polling_url": True}).json()


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


def test_errors_have_the_recorded_bodies(sandbox: Sandbox) -> None:
    sandbox.settings.keys = {"right"}
    refused = submitted(sandbox)
    assert refused.status_code == 403
    assert refused.json() == {"detail": "Not authenticated - Invalid Authentication"}
    sandbox.settings.keys = set()
    with pytest.raises(Refused, match="429"):
        sandbox.submit(switches={"submit_status": 429})
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


@pytest.mark.parametrize("payload", ["current", "legacy", "skills"])
@pytest.mark.parametrize("auth", ["secret", "signature", "both", "none"])
def test_callbacks_have_every_shape_and_authentication(
    sandbox: Sandbox, app: Hook, payload: str, auth: str
) -> None:
    switches = {"payload": payload, "auth": auth}
    task = sandbox.submit(webhook_url=app.url, webhook_secret="s\u00e9cret", switches=switches)
    headers, body, _ = app.called()
    message = json.loads(body)
    assert message["task_id" if payload == "legacy" else "id"] == task.id
    assert message["status"] == ("SUCCESS" if payload == "legacy" else "Ready")
    assert requests.get(message["result"]["sample"], timeout=30).content == sandbox.file(task.id)
    digest = hmac.new("s\u00e9cret".encode(), body, hashlib.sha256).hexdigest()
    signed = f"sha256={digest}" if auth in ("signature", "both") else None
    assert headers.get("X-BFL-Signature") == signed
    secret = headers.get("X-Webhook-Secret", "").encode("latin-1").decode()
    assert secret == ("s\u00e9cret" if auth in ("secret", "both") else "")


def test_a_callback_is_tried_again_and_then_abandoned(sandbox: Sandbox, app: Hook) -> None:
    app.answers, app.headers = [503, 302, 500, 500], {"Location": "http://127.0.0.1:1/elsewhere"}
    task = sandbox.submit(webhook_url=app.url)
    wait_for("three attempts", lambda: len(sandbox.task(task.id).callbacks) == 3)
    time.sleep(0.15)
    assert [callback.outcome for callback in sandbox.task(task.id).callbacks] == [503, 302, 500]
    assert len({call.body for call in app.calls}) == 1


def test_a_callback_is_fired_with_another_authentication(sandbox: Sandbox, app: Hook) -> None:
    task = sandbox.submit(webhook_url=app.url, webhook_secret="s", switches={"callback": "never"})
    wait_for("BFL is done", lambda: not sandbox.task(task.id).active)
    assert app.calls == []
    url = f"{sandbox.url}/sandbox/tasks/{task.id}/callback"
    fired = requests.post(url, json={"auth": "wrong"}, timeout=30).json()
    assert fired["outcome"] == 200
    assert app.calls[0].headers["X-Webhook-Secret"] == "not-the-secret"
    assert sandbox.call_back(task.id).headers["X-Webhook-Secret"] == "s"
    sandbox.settings.webhook_url, sandbox.settings.webhook_secret = app.url, "shared"
    assert "polling_url" in submitted(sandbox).json()
    assert app.called(3).headers["X-Webhook-Secret"] == "shared", "that of the settings"


def test_the_sandbox_is_watched_and_changed_over_http(sandbox: Sandbox) -> None:
    task, control = sandbox.submit(), f"{sandbox.url}/sandbox"
    requests.get(f"{sandbox.url}/v1/get_result?id={task.id}", headers=KEY, timeout=30)
    assert requests.get(f"{control}/tasks/{task.id}", timeout=30).json()["polls"] == 1
    assert requests.get(f"{control}/tasks", timeout=30).json()[0]["id"] == task.id
    assert requests.get(f"{control}/requests", timeout=30).json()[0]["headers"]["x-key"] != "any"
    assert requests.get(f"{control}/peak", timeout=30).json()["peak"] == 1
    changed = requests.patch(f"{control}/settings", json={"credits": 7}, timeout=30).json()
    assert changed["credits"] == 7 and sandbox.settings.credits == 7
    assert requests.patch(f"{control}/settings", json={"nope": 1}, timeout=30).status_code == 422
