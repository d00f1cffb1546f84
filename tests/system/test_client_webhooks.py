"""A client's own webhook is called in BFL's form, once the media are stored."""

import hashlib
import hmac
from typing import Any

import pytest
import requests

from tests.harness import KEYS
from tests.harness.stack import QUICK_SECONDS, Stack
from tests.harness.webhook_receiver import Hook

SECRET = "the client's own secret"


def submit(stack: Stack, **body: Any) -> requests.Response:
    switches = {"seconds": QUICK_SECONDS, **body.pop("sandbox", {})}
    return requests.post(
        f"{stack.installation.url}/v1/flux-2-pro",
        json={"prompt": "p", "sandbox": switches, **body},
        headers={"x-key": KEYS["submit"]},
        timeout=30,
    )


def test_it_is_called_with_the_stored_media_and_both_headers(stack: Stack, hook: Hook) -> None:
    reply = submit(stack, webhook_url=hook.url, webhook_secret=SECRET).json()
    assert (reply["status"], reply["webhook_url"]) == ("Pending", hook.url)
    call = hook.called()
    digest = hmac.new(SECRET.encode(), call.body, hashlib.sha256).hexdigest()
    assert call.headers["X-Webhook-Secret"] == SECRET
    assert call.headers["X-BFL-Signature"] == f"sha256={digest}"
    assert (call.payload["id"], call.payload["status"]) == (reply["id"], "Ready")
    job = stack.client.job(reply["id"])
    assert job["status"] == "stored"
    sample = requests.get(call.payload["result"]["sample"], timeout=30)
    assert sample.content == stack.sandbox.file(job["task_id"], 0)


def test_bfl_never_sees_the_clients_webhook_or_secret(stack: Stack, hook: Hook) -> None:
    submit(stack, webhook_url=hook.url, webhook_secret=SECRET)
    hook.called()
    seen = [request.body for request in stack.sandbox.requests if request.path == "/v1/flux-2-pro"]
    assert seen and not [body for body in seen if SECRET.encode() in body or b"/hook" in body]
    assert SECRET not in stack.installation.logs()


def test_without_a_secret_there_is_no_proof(stack: Stack, hook: Hook) -> None:
    submit(stack, webhook_url=hook.url)
    assert not {"X-Webhook-Secret", "X-BFL-Signature"} & set(hook.called().headers)


@pytest.mark.parametrize("outcome", ["error", "request_moderated"])
def test_it_is_called_for_a_failed_job_too(stack: Stack, hook: Hook, outcome: str) -> None:
    submit(stack, webhook_url=hook.url, sandbox={"outcome": outcome})
    assert hook.called().payload["status"] in ("Error", "Request Moderated")


# tests/unit/test_notification_targets.py has the other URLs.
@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/x", "https://user:pw@example.com/", "", "x" * 3000]
)
def test_a_webhook_that_may_not_be_called_is_refused_at_once(stack: Stack, url: str) -> None:
    answer = submit(stack, webhook_url=url)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "webhook_url"]


@pytest.mark.parametrize("secret", ["canary\n", "\u20ac", " a"])
def test_a_secret_that_can_be_no_header_is_refused(stack: Stack, hook: Hook, secret: str) -> None:
    answer = submit(stack, webhook_url=hook.url, webhook_secret=secret)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "webhook_secret"]
    assert "canary" not in answer.text
