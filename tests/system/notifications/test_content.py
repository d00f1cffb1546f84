"""Content and signature (Standard Webhooks) of notifications to apps and to the operator."""

from functools import partial

import pytest
from standardwebhooks import WebhookVerificationError

from tests.harness import Stack, wait_for, without_links
from tests.harness.foreign import verified
from tests.harness.hook import Hook
from tests.system.notifications.jobs import (
    NEW,
    OLD,
    OTHER,
    about,
    by_python,
    notified,
    wait_for_event,
)


def test_app_and_operator_are_notified_with_the_job_as_the_api_shows_it(
    stack: Stack, hook: Hook, owner: Hook
) -> None:
    job_id = notified(stack, hook.url)
    calls = hook.called(), wait_for("the owner is told", partial(about, owner, job_id))[0]
    for call in calls:
        message = by_python(call, NEW)
        assert message["type"] == "job.stored"
        job = stack.client.job(job_id)
        assert job.pop("input")["prompt"] == "p"  # shown to keys that may submit, and not sent
        ours = {**message["data"], "timeline": job["timeline"], "updated_at": job["updated_at"]}
        assert without_links(ours) == without_links(job)
        assert stack.client.media(message["data"]) == stack.box.picture(job["task_id"], 0)
        assert (
            message["timestamp"][:19] <= job["updated_at"][:19] and message["timestamp"][-1] == "Z"
        )
        assert call.headers["Content-Type"] == "application/json"
    assert calls[0].id != calls[1].id and all(
        call.id.isascii() and "." not in call.id for call in calls
    )
    wait_for_event(stack, job_id, "notification.delivered")
    wait_for_event(stack, job_id, "notification.delivered", "NOTIFY_URL")


def test_the_specifications_own_verifiers_agree_in_python(stack: Stack, hook: Hook) -> None:
    notified(stack, hook.url)
    call = hook.called()
    for secret in (NEW, OLD):  # receivers change over whenever they like
        assert by_python(call, secret) == call.payload
    forged = call._replace(body=call.body.replace(b"job.stored", b"job.failed"))
    for wrong in (forged, call._replace(headers={**call.headers, "webhook-id": "msg_1"})):
        with pytest.raises(WebhookVerificationError):
            by_python(wrong, NEW)
    with pytest.raises(WebhookVerificationError):
        by_python(call, OTHER)


@pytest.mark.slow
def test_the_specifications_own_verifier_agrees_in_javascript(stack: Stack, hook: Hook) -> None:
    notified(stack, hook.url)
    call = hook.called()
    headers = {name.lower(): value for name, value in call.headers.items()}
    for secret in (NEW, OLD):
        assert verified(secret, headers, call.body.decode()) == {"payload": call.payload}
    assert "error" in verified(OTHER, headers, call.body.decode())
    assert "error" in verified(NEW, headers, call.body.decode() + " ")


@pytest.mark.parametrize(
    ("outcome", "kind"), [("error", "job.failed"), ("content_moderated", "job.moderated")]
)
def test_it_is_called_for_a_failed_job_too(
    stack: Stack, hook: Hook, outcome: str, kind: str
) -> None:
    notified(stack, hook.url, outcome=outcome)
    assert hook.called().payload["type"] == kind


def test_a_job_that_its_caller_submitted_is_notified_too(stack: Stack, hook: Hook) -> None:
    task = stack.expected()
    stack.expect(task, notify_url=hook.url)
    stack.client.callback({"id": task.id, "status": "Error"})
    assert hook.called().payload["data"]["id"] == task.id
