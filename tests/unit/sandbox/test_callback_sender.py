"""Callbacks of the sandbox."""

import hashlib
import hmac
import json
import time

import pytest
import requests

from tests.harness.patience import wait_for
from tests.harness.webhook_receiver import Hook
from tests.sandbox import Sandbox
from tests.unit.sandbox.clients import submitted


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


def test_tasks_without_a_webhook_call_the_one_of_the_settings(sandbox: Sandbox, app: Hook) -> None:
    sandbox.settings.webhook_url, sandbox.settings.webhook_secret = app.url, "shared"
    assert "polling_url" in submitted(sandbox, sandbox={"polling_url": False}).json()
    assert app.called().headers["X-Webhook-Secret"] == "shared"
