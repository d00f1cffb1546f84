"""A slow or dead host delays the notifications of no other host, and no key those of another."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobs.domain.job_record import NotificationTarget
from tests.harness.patience import wait_for
from worker.notifications.dispatcher import (
    PENDING_MAX,
    PER_HOST_PENDING_MAX,
    PER_HOST_THREADS,
    THREADS_MAX,
    Delivery,
    NotificationDispatcher,
)

APP, OWNER, OTHER = NotificationTarget.APP, "NOTIFY_URL 0a", "NOTIFY_URL 0b"


class Receivers:
    """Receivers that count calls; a job id starts with the host, and slow hosts do not answer."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.answer = threading.Event()

    def deliver(self, job_id: str, _recipient: str) -> None:
        self.calls[job_id.partition("/")[0]] += 1
        if job_id.startswith("slow"):
            self.answer.wait(30)


@contextmanager
def dispatching() -> Iterator[tuple[NotificationDispatcher, Receivers]]:
    receivers = Receivers()
    dispatcher = NotificationDispatcher(receivers.deliver)
    try:
        yield dispatcher, receivers
    finally:
        receivers.answer.set()
        dispatcher.close()


def submit(
    dispatcher: NotificationDispatcher,
    host: str,
    number: int = 1,
    *,
    key: str = "one",
    to: str = APP,
) -> int:
    """How many of so many notifications were accepted."""
    ids = [f"{host}/{key}/{n}" for n in range(number)]
    return sum(dispatcher.submit(Delivery(job_id, to, key, host)) for job_id in ids)


def submit_slow(
    dispatcher: NotificationDispatcher, hosts: int, number: int, key: str = "one"
) -> int:
    return sum(submit(dispatcher, f"slow{n}", number, key=key) for n in range(hosts))


def test_a_host_gets_a_few_calls_at_once() -> None:
    with dispatching() as (dispatcher, receivers):
        submit(dispatcher, "slow", 20)
        wait_for("the first calls", lambda: receivers.calls["slow"] == PER_HOST_THREADS)
    assert receivers.calls["slow"] == PER_HOST_THREADS, "what waits is not called at the end"


def test_slow_hosts_do_not_delay_others_of_their_key() -> None:
    hosts = THREADS_MAX // 2 // PER_HOST_THREADS - 1
    with dispatching() as (dispatcher, receivers):
        assert submit_slow(dispatcher, hosts, 10) == 10 * hosts
        assert submit(dispatcher, "quick", 10) == 10
        wait_for("the quick host", lambda: receivers.calls["quick"] == 10)
        assert not receivers.answer.is_set()


@pytest.mark.parametrize("keys", [1, 5])
def test_keys_with_any_number_of_slow_hosts_delay_no_other_key(keys: int) -> None:
    with dispatching() as (dispatcher, receivers):
        for n in range(keys):
            assert submit_slow(dispatcher, 500, 2, f"greedy{n}") >= 2
        assert submit(dispatcher, "quick", 5, key="other") == 5
        wait_for("the other key", lambda: receivers.calls["quick"] == 5)
        assert receivers.calls.total() - 5 < THREADS_MAX and not receivers.answer.is_set()


def test_receivers_of_jobs_delay_no_notification_to_the_operator() -> None:
    with dispatching() as (dispatcher, receivers):
        for n in range(2 * THREADS_MAX):
            submit(dispatcher, "slow", PER_HOST_THREADS, key=f"greedy{n}")
        assert submit(dispatcher, "more", key="greedy") == 1
        assert submit(dispatcher, "quick", 5, to=OWNER, key="greedy1") == 5
        wait_for("the operator", lambda: receivers.calls["quick"] == 5)
        assert receivers.calls["more"] == 0, "there was a place left"


def test_a_url_of_the_operator_delays_no_other_on_the_same_host() -> None:
    with dispatching() as (dispatcher, receivers):
        for n in range(2 * THREADS_MAX):
            submit(dispatcher, "slow", PER_HOST_THREADS, key=f"key{n}", to=OWNER)
        ids = [f"quick/{n}" for n in range(5)]
        assert all(dispatcher.submit(Delivery(one, OTHER, "key1", "slow")) for one in ids)
        wait_for("the other URL", lambda: receivers.calls["quick"] == 5)
        assert not receivers.answer.is_set()
    with dispatching() as (dispatcher, receivers):
        submit(dispatcher, "slow", 1000, key="greedy", to=OWNER)
        assert submit(dispatcher, "slow", 1, to=OWNER) == 1, "nor does a key"
        wait_for("both", lambda: receivers.calls["slow"] == PER_HOST_THREADS + 1)


def test_more_than_one_host_or_key_can_take_stays_in_redis() -> None:
    with dispatching() as (dispatcher, _):
        assert submit(dispatcher, "slow", PER_HOST_PENDING_MAX + 5) == PER_HOST_PENDING_MAX
        assert submit(dispatcher, "quick") == 1
    with dispatching() as (dispatcher, _):
        assert submit_slow(dispatcher, 64, PER_HOST_PENDING_MAX) <= PENDING_MAX // 2
        assert submit(dispatcher, "quick", key="other") == 1


def test_a_pending_notification_is_accepted_and_not_queued_again() -> None:
    with dispatching() as (dispatcher, receivers):
        assert submit(dispatcher, "slow") == submit(dispatcher, "slow") == 1
        wait_for("the call", lambda: receivers.calls["slow"] == 1)
        receivers.answer.set()
        wait_for("room for it again", lambda: not dispatcher._running)  # noqa: SLF001
    assert receivers.calls["slow"] == 1


def test_threads_end_with_the_work_of_their_host() -> None:
    before = threading.active_count()
    with dispatching() as (dispatcher, receivers):
        for n in range(20):
            submit(dispatcher, f"quick{n}", 3)
        wait_for("all calls", lambda: receivers.calls.total() == 60)
        wait_for("no thread is left", lambda: threading.active_count() <= before)


def test_a_delivery_that_fails_frees_its_place() -> None:
    def fail(_job_id: str, _recipient: str) -> None:
        raise RuntimeError

    dispatcher = NotificationDispatcher(fail)
    submit(dispatcher, "a", PER_HOST_PENDING_MAX)
    wait_for("room", lambda: not dispatcher._running)  # noqa: SLF001
    dispatcher.close()
