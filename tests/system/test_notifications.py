"""Notifications to apps and to the operator: content, signature and failures."""

import time
from collections.abc import Iterator
from email.utils import formatdate
from functools import partial

import pytest

from jobs.store.metrics import Counter
from tests.harness import Stack, running_stack, wait_for, without_links
from tests.harness.notifications import (
    NEW,
    OLD,
    OTHER,
    about,
    by_python,
    is_why,
    make_due,
    notified,
    wait_for_event,
)
from tests.harness.parts import services_over
from tests.harness.third_party_clients import verified
from tests.harness.webhook_receiver import Hook
from worker.notifications.dispatcher import PER_HOST_THREADS


@pytest.fixture(scope="module")
def owner() -> Iterator[Hook]:
    """The receiver at NOTIFY_URL."""
    listening = Hook()
    yield listening
    listening.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, owner: Hook) -> Iterator[Stack]:
    with running_stack(
        tmp_path_factory.mktemp("notifications"),
        NOTIFY_URL=owner.url,
        NOTIFY_SECRET=f"{NEW},{OLD}",
        NOTIFY_HOSTS="*,localhost",
    ) as running:
        yield running
        logs = running.installation.logs()
        assert not [
            secret for secret in (*running.installation.secrets(), "/hook") if secret in logs
        ]


@pytest.fixture(autouse=True)
def each_test_sees_only_its_own_jobs(owner: Hook) -> Iterator[None]:
    yield
    owner.calls.clear()


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
        assert stack.client.media(message["data"]) == stack.sandbox.file(job["task_id"], 0)
        assert (
            message["timestamp"][:19] <= job["updated_at"][:19] and message["timestamp"][-1] == "Z"
        )
        assert call.headers["Content-Type"] == "application/json"
    assert calls[0].id != calls[1].id and all(
        call.id.isascii() and "." not in call.id for call in calls
    )
    wait_for_event(stack, job_id, "notification.delivered")
    wait_for_event(stack, job_id, "notification.delivered", "NOTIFY_URL")


@pytest.mark.slow
def test_the_specifications_own_verifier_agrees_in_javascript(stack: Stack, hook: Hook) -> None:
    notified(stack, hook.url)
    call = hook.called()
    headers = {name.lower(): value for name, value in call.headers.items()}
    for secret in (NEW, OLD):
        assert verified(secret, headers, call.body.decode()) == {"payload": call.payload}
    assert "error" in verified(OTHER, headers, call.body.decode())
    assert "error" in verified(NEW, headers, call.body.decode() + " ")


# Receivers that are down, slow, gone or elsewhere, and senders that die.


def test_a_receiver_that_was_down_is_notified_afterwards(stack: Stack) -> None:
    hook = Hook(500, 404, 429, listening=False)
    job_id = notified(stack, hook.url)
    wait_for_event(stack, job_id, "notification.retried")
    hook.listen()
    for status in tuple(hook.answers):
        make_due(stack, job_id)
        wait_for(f"a {status}", partial(is_why, stack, job_id, f"it answered {status}"))
    make_due(stack, job_id)
    wait_for_event(stack, job_id, "notification.delivered")
    hook.close()
    assert len(hook.calls) == 4 and len({call.id for call in hook.calls}) == 1
    for call in hook.calls:
        by_python(call, NEW)


def test_a_receiver_that_says_it_is_gone_is_not_called_again(stack: Stack, hook: Hook) -> None:
    hook.answers = [410]
    job_id = notified(stack, hook.url)
    wait_for_event(stack, job_id, "notification.abandoned")
    make_due(stack, job_id)
    time.sleep(1.5)
    assert len(hook.calls) == 1
    with stack.installation.redis.client() as redis:
        assert services_over(redis).metrics.totals().counts[Counter.NOTIFICATION_GIVEN_UP] >= 1


@pytest.mark.parametrize("is_date", [False, True])
def test_a_receiver_may_say_when_to_come_again(stack: Stack, hook: Hook, *, is_date: bool) -> None:
    at = formatdate(time.time() + 599, usegmt=True)
    hook.answers, hook.headers = [503], {"Retry-After": at if is_date else "600"}
    job_id = notified(stack, hook.url)
    wait_for_event(stack, job_id, "notification.retried")
    with stack.installation.redis.client() as redis:
        store = services_over(redis).store
        job = store.load(job_id)
        assert job and 500 < job.notifications.pending[0].at - store.now() <= 600


@pytest.mark.slow
def test_a_receiver_that_hangs_delays_no_other(stack: Stack, hook: Hook) -> None:
    slow = Hook()
    slow.delay = 60
    begun = time.monotonic()
    stuck = [notified(stack, slow.url.replace("127.0.0.1", "localhost")) for _ in range(12)]
    slow.called()
    job_id = notified(stack, hook.url)
    assert hook.called(timeout=30).payload["data"]["id"] == job_id
    assert len(slow.calls) <= PER_HOST_THREADS
    wait_for_event(stack, stuck[0], "notification.retried")
    assert time.monotonic() - begun > 14
    slow.close()
    for one in stuck:
        stack.client.request("DELETE", f"/api/jobs/{one}")


@pytest.mark.slow
def test_the_successor_of_a_killed_sender_uses_the_same_id(stack: Stack, hook: Hook) -> None:
    hook.delay = 60
    job_id = notified(stack, hook.url)
    first = hook.called()
    stack.installation.kill("sweep")
    stack.installation.running["sweep"].clear()
    hook.delay = 0.0
    stack.installation.start("sweep")
    # Nobody moved the time: what the dead one had taken is due again by itself.
    second = hook.called(2, timeout=60)
    assert second.id == first.id and by_python(second, NEW)["data"]["id"] == job_id
    wait_for_event(stack, job_id, "notification.delivered")
