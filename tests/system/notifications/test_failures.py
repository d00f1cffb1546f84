"""Receivers that are down, slow, gone or elsewhere, and senders that die."""

import time
from functools import partial

import pytest

from jobs.store.metrics import Counter
from tests.harness import Stack, wait_for
from tests.harness.hook import Hook
from tests.harness.parts import Parts
from tests.system.notifications.jobs import (
    NEW,
    by_python,
    due_now,
    is_why,
    moved,
    notified,
    wait_for_event,
)
from worker.notifications.dispatcher import PER_HOST_THREADS


def test_a_receiver_that_was_down_is_notified_afterwards(stack: Stack) -> None:
    hook = Hook(500, 404, 429, listening=False)
    job_id = notified(stack, hook.url)
    wait_for_event(stack, job_id, "notification.retried")
    hook.listen()
    for status in tuple(hook.answers):
        moved(stack, job_id, due_now)
        wait_for(f"a {status}", partial(is_why, stack, job_id, f"it answered {status}"))
    moved(stack, job_id, due_now)
    wait_for_event(stack, job_id, "notification.delivered")
    hook.close()
    assert len(hook.calls) == 4 and len({call.id for call in hook.calls}) == 1
    for call in hook.calls:
        by_python(call, NEW)


def test_a_redirect_is_a_failure_and_is_not_followed(stack: Stack, hook: Hook) -> None:
    other = Hook()
    hook.answers, hook.headers = [307], {"Location": other.url}
    job_id = notified(stack, hook.url)
    wait_for_event(stack, job_id, "notification.retried")
    moved(stack, job_id, due_now)
    hook.called(2)
    other.close()
    assert not other.calls


def test_a_receiver_that_says_it_is_gone_is_not_called_again(stack: Stack, hook: Hook) -> None:
    hook.answers = [410]
    job_id = notified(stack, hook.url)
    wait_for_event(stack, job_id, "notification.abandoned")
    moved(stack, job_id, due_now)
    time.sleep(1.5)
    assert len(hook.calls) == 1
    with stack.installation.redis.client() as redis:
        assert Parts.over(redis).metrics.totals().counts[Counter.NOTIFICATION_GIVEN_UP] >= 1


def test_a_receiver_may_say_when_to_come_again(stack: Stack, hook: Hook) -> None:
    hook.answers, hook.headers = [503], {"Retry-After": "600"}
    job_id = notified(stack, hook.url)
    wait_for_event(stack, job_id, "notification.retried")
    with stack.installation.redis.client() as redis:
        store = Parts.over(redis).store
        job = store.load(job_id)
        assert job and 500 < job.notifications.pending[0].at - store.now() <= 600


@pytest.mark.slow
def test_a_receiver_that_does_not_answer_times_out_and_delays_no_other(
    stack: Stack, hook: Hook
) -> None:
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
def test_a_sender_that_is_killed_is_followed_by_another_with_the_same_id(
    stack: Stack, hook: Hook
) -> None:
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
