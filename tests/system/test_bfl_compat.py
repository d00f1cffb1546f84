"""BFL-compatible API: fields, status words, errors and the client's own webhook as at BFL."""

import hashlib
import hmac
from typing import Any

import pytest
import requests

from tests.harness import KEYS, wait_for
from tests.harness.stack import QUICK_SECONDS, Stack
from tests.harness.webhook_receiver import Hook

SECRET = "the client's own secret"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def submit(
    stack: Stack, model: str = "flux-2-pro", key: str = KEYS["submit"], **inputs: Any
) -> requests.Response:
    switches = {"seconds": QUICK_SECONDS, **inputs.pop("sandbox", {})}
    body = {"prompt": "a lighthouse", "sandbox": switches, **inputs}
    return requests.post(
        f"{stack.installation.url}/v1/{model}", json=body, headers={"x-key": key}, timeout=30
    )


def poll(stack: Stack, job_id: str) -> Any:
    answer = stack.client.get("/v1/get_result", id=job_id)
    assert answer.headers["Retry-After"] == "1"
    return answer.json()


def ended(stack: Stack, job_id: str) -> dict[str, Any]:
    def final() -> dict[str, Any] | None:
        reply = poll(stack, job_id)
        return reply if reply["status"] != "Pending" else None

    return wait_for(f"the end of {job_id}", final, 20)


def test_a_submission_is_answered_as_bfl_answers_it(stack: Stack) -> None:
    reply = submit(stack).json()
    url = f"{stack.installation.url}/v1/get_result?id={reply['id']}"
    assert set(reply) == {"id", "polling_url", "cost", "input_mp", "output_mp"}
    assert (reply["polling_url"], reply["cost"]) == (url, 3.0)
    assert reply["output_mp"] > 0


def test_ready_comes_only_after_the_media_are_stored(stack: Stack) -> None:
    reply = submit(stack, sandbox={"hang": 1.5}).json()
    ready = stack.client.wait_for(reply["id"], "ready")
    early = poll(stack, reply["id"])
    assert (early["status"], early["result"]) == ("Pending", None)
    final = ended(stack, reply["id"])
    assert final["status"] == "Ready"
    sample = final["result"]["sample"]
    assert sample.startswith(f"{stack.installation.url}/media/")
    assert requests.get(sample, timeout=30).content == stack.sandbox.file(ready["task_id"], 0)


def test_the_result_has_bfls_fields_and_none_that_is_null(stack: Stack) -> None:
    result = ended(stack, submit(stack, seed=7).json()["id"])["result"]
    assert {"sample", "prompt", "seed", "start_time"} <= set(result)
    assert result["seed"] == 7 and None not in result.values()


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ("error", "Error"),
        ("request_moderated", "Request Moderated"),
        ("content_moderated", "Content Moderated"),
    ],
)
def test_a_task_that_failed_ends_in_bfls_word(stack: Stack, outcome: str, word: str) -> None:
    final = ended(stack, submit(stack, sandbox={"outcome": outcome}).json()["id"])
    assert (final["status"], final["result"]) == (word, None)
    if "moderated" in outcome:
        assert final["details"] == {"Moderation Reasons": ["Violence"]}


def test_a_refused_input_returns_bfls_own_error_at_once(stack: Stack) -> None:
    answer = submit(stack, width="wide")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "width"]
    assert "valid integer" in answer.json()["message"]


def test_of_two_keys_each_must_be_a_good_one(stack: Stack) -> None:
    url, good = f"{stack.installation.url}/v1/credits", KEYS["read"]
    for bearer, own in (("Bearer wrong", good), (f"Bearer {good}", "wrong"), ("good", good)):
        headers = {"Authorization": bearer, "x-key": own}
        assert requests.get(url, headers=headers, timeout=30).status_code == 403
    for bearer in (f"Bearer {good}", "Basic of-a-proxy"):
        headers = {"Authorization": bearer, "x-key": good}
        assert requests.get(url, headers=headers, timeout=30).status_code == 200


def test_the_sandbox_is_not_sent_to_a_host_that_the_submitter_names(stack: Stack) -> None:
    body = {"prompt": "elsewhere", "sandbox": {"seconds": QUICK_SECONDS}}
    headers = {"x-key": KEYS["submit"], "Host": "evil.example:99"}
    url = f"{stack.installation.url}/v1/flux-2-pro"
    job_id = requests.post(url, json=body, headers=headers, timeout=30).json()["id"]
    task = stack.sandbox.task(stack.client.wait_for(job_id, "submitted", "stored")["task_id"])
    assert task.webhook_url and "evil.example" not in task.webhook_url


def test_an_unknown_model_is_404(stack: Stack) -> None:
    answer = submit(stack, "unknown-model")
    assert (answer.status_code, answer.json()["detail"]) == (404, "Not Found")


@pytest.mark.parametrize("path", ["..%2fx", "a//b", "flux%0a"])
def test_a_path_that_is_none_is_refused_and_submits_nothing(stack: Stack, path: str) -> None:
    before = len(stack.sandbox.tasks())
    answer = submit(stack, path)
    assert answer.status_code in (404, 422)
    assert answer.json()["detail"]
    assert len(stack.sandbox.tasks()) == before


def test_an_unknown_id_is_not_found_in_bfls_shape(stack: Stack) -> None:
    answer = stack.client.get("/v1/get_result", id=UNKNOWN)
    empty = dict.fromkeys(("result", "progress", "details", "preview"))
    assert answer.status_code == 404
    assert answer.json() == {"id": UNKNOWN, "status": "Task not found", **empty}


def test_an_id_that_comes_twice_is_answered_where_it_is_the_same(stack: Stack) -> None:
    """BFL's guide appends `id` to a polling URL that already has it."""
    reply = submit(stack).json()
    key = {"x-key": KEYS["read"]}
    twice = requests.get(reply["polling_url"], params={"id": reply["id"]}, headers=key, timeout=30)
    assert twice.url.count("id=") == 2
    assert (twice.status_code, twice.json()["id"]) == (200, reply["id"])
    other = requests.get(reply["polling_url"], params={"id": UNKNOWN}, headers=key, timeout=30)
    assert other.status_code == 400 and "id:" in other.json()["detail"]


@pytest.mark.parametrize("task_id", ["", "a/b", "x" * 129, "a\n"])
def test_an_id_that_is_none_is_refused(stack: Stack, task_id: str) -> None:
    answer = stack.client.get("/v1/get_result", id=task_id)
    assert answer.status_code == 400 and "id:" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"a": 1, "a": 2}'])
def test_a_body_that_is_no_object_is_refused(stack: Stack, body: bytes) -> None:
    answer = stack.client.request("POST", "/v1/flux-2-pro", data=body)
    assert answer.status_code == 400 and answer.json()["detail"]


def test_credits_are_bfls_answer(stack: Stack) -> None:
    assert stack.client.get("/v1/credits").json() == {"credits": stack.sandbox.settings.credits}


def test_credits_without_a_good_key_of_ours_blame_us_and_not_the_caller(stack: Stack) -> None:
    stack.sandbox.settings.keys = {"another"}
    try:
        answer = stack.client.get("/v1/credits")
    finally:
        stack.sandbox.settings.keys = set()
    assert answer.status_code == 502
    assert "this Fluxkeep" in answer.json()["detail"]


def test_while_redis_is_away_a_poll_says_pending(stack: Stack) -> None:
    job_id = submit(stack).json()["id"]
    ended(stack, job_id)
    stack.installation.redis.pause()
    try:
        answer = stack.client.get("/v1/get_result", id=job_id)
    finally:
        stack.installation.redis.resume()
    assert (answer.status_code, answer.json()["status"]) == (200, "Pending")


def test_a_webhook_gets_the_stored_media_and_both_headers(stack: Stack, hook: Hook) -> None:
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


def test_a_webhook_without_a_secret_gets_no_proof(stack: Stack, hook: Hook) -> None:
    submit(stack, webhook_url=hook.url)
    assert not {"X-Webhook-Secret", "X-BFL-Signature"} & set(hook.called().headers)


@pytest.mark.parametrize("outcome", ["error", "request_moderated"])
def test_a_webhook_is_called_for_a_failed_job_too(stack: Stack, hook: Hook, outcome: str) -> None:
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
