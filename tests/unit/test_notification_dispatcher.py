"""A slow or dead host delays the notifications of no other host."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.record import NotificationTarget
from tests.harness.patience import wait_for
from worker.notifications.dispatcher import (
    HOSTS_MAX,
    PER_HOST_PENDING_MAX,
    PER_HOST_THREADS,
    Dispatcher,
)


class Receivers:
    """Receivers that count calls; a job id starts with the host, and slow hosts do not answer."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.answer = threading.Event()

    def deliver(self, job_id: str, _target: NotificationTarget) -> None:
        self.calls[job_id.partition("/")[0]] += 1
        if job_id.startswith("slow"):
            self.answer.wait(30)


@contextmanager
def dispatching() -> Iterator[tuple[Dispatcher, Receivers]]:
    receivers = Receivers()
    dispatcher = Dispatcher(receivers.deliver)
    try:
        yield dispatcher, receivers
    finally:
        receivers.answer.set()
        dispatcher.close()


def submit(dispatcher: Dispatcher, host: str, number: int = 1) -> int:
    """How many of so many notifications were accepted."""
    return sum(
        dispatcher.submit(host, f"{host}/{n}", NotificationTarget.APP) for n in range(number)
    )


def test_a_host_gets_a_few_calls_at_once() -> None:
    with dispatching() as (dispatcher, receivers):
        submit(dispatcher, "slow", 20)
        wait_for("the first calls", lambda: receivers.calls["slow"] == PER_HOST_THREADS)
    assert receivers.calls["slow"] == PER_HOST_THREADS, "what waits is not called at the end"


def test_slow_hosts_do_not_delay_others() -> None:
    with dispatching() as (dispatcher, receivers):
        for n in range(HOSTS_MAX - 1):
            assert submit(dispatcher, f"slow{n}", 10) == 10
        assert submit(dispatcher, "quick", 10) == 10
        wait_for("the quick host", lambda: receivers.calls["quick"] == 10)
        assert not receivers.answer.is_set()


def test_more_than_one_host_can_take_stays_in_redis() -> None:
    with dispatching() as (dispatcher, _):
        assert submit(dispatcher, "slow", PER_HOST_PENDING_MAX + 5) == PER_HOST_PENDING_MAX
        assert submit(dispatcher, "quick") == 1


def test_more_hosts_than_have_room_stay_in_redis() -> None:
    with dispatching() as (dispatcher, _):
        for n in range(HOSTS_MAX):
            assert submit(dispatcher, f"slow{n}") == 1
        assert submit(dispatcher, "another") == 0


def test_a_pending_notification_is_accepted_and_not_queued_again() -> None:
    with dispatching() as (dispatcher, receivers):
        assert submit(dispatcher, "slow") == submit(dispatcher, "slow") == 1
        wait_for("the call", lambda: receivers.calls["slow"] == 1)
        receivers.answer.set()
        wait_for("room for it again", lambda: not dispatcher._hosts)  # noqa: SLF001
    assert receivers.calls["slow"] == 1


def test_threads_end_with_the_work_of_their_host() -> None:
    before = threading.active_count()
    with dispatching() as (dispatcher, receivers):
        for n in range(20):
            submit(dispatcher, f"quick{n}", 3)
        wait_for("all calls", lambda: receivers.calls.total() == 60)
        wait_for("no thread is left", lambda: threading.active_count() <= before)


def test_a_delivery_that_fails_frees_its_place() -> None:
    def fail(_job_id: str, _target: NotificationTarget) -> None:
        raise RuntimeError

    dispatcher = Dispatcher(fail)
    submit(dispatcher, "a", PER_HOST_PENDING_MAX)
    wait_for("room", lambda: not dispatcher._hosts)  # noqa: SLF001
    dispatcher.close()
