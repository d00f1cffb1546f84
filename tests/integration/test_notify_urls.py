"""Several URLs in NOTIFY_URL: each gets its events, and none delays another."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from jobs.domain.job import Job
from jobs.domain.job_record import PendingNotification
from jobs.domain.status import Status
from jobs.services import Services
from receiver.checks.context import Context
from receiver.checks.outgoing import check
from receiver.checks.result import Grade
from tests.harness import wait_for
from tests.harness.dns import FakeResolver
from tests.harness.notifications import NEW, by_python
from tests.harness.parts import services_over
from tests.harness.webhook_receiver import Hook
from worker.notifications.delivery import deliver
from worker.notifications.dispatcher import (
    PER_HOST_PENDING_MAX,
    PER_HOST_THREADS,
    Delivery,
    NotificationDispatcher,
    dispatch_due,
)

Build = Callable[..., Services]


@pytest.fixture
def built(redis: Redis, tmp_path: Path) -> Build:
    """Services of a sweeper with these URLs in NOTIFY_URL."""
    media = (tmp_path / "media").as_uri()

    def build(*urls: str, secret: str = NEW) -> Services:
        more = {"NOTIFY_URL": ",".join(urls), "NOTIFY_SECRET": secret, "MEDIA_URL": media}
        return services_over(redis, **more)

    return build


@pytest.fixture
def hook() -> Iterator[Hook]:
    with closing(Hook()) as listening:
        yield listening


def ended(services: Services, job_id: str, status: Status = Status.FAILED) -> Job:
    timeouts = services.settings.timeouts
    services.store.update(job_id, lambda _, now: Job.awaited(job_id, now, timeouts))
    job = services.store.change(job_id, lambda job, now: job.ended(now, status)).after
    assert job
    return job


def dispatch_until(services: Services, what: str, is_done: Callable[[], object]) -> None:
    """Turns of the sweep until this is so."""
    with closing(NotificationDispatcher(partial(deliver, services))) as dispatcher:
        wait_for(what, lambda: (dispatch_due(services, dispatcher), is_done())[1])


def pending(services: Services, job_id: str) -> dict[str, PendingNotification]:
    job = services.store.load(job_id)
    assert job
    return {one.recipient: one for one in job.notifications.pending}


def events(services: Services, job_id: str) -> list[tuple[str, str, str | None]]:
    job = services.store.load(job_id)
    assert job
    lines = [line for line in job.timeline if line.event.startswith("notification.")]
    return [(line.event, line.detail["to"], line.detail.get("reason")) for line in lines]


def names(services: Services) -> list[str]:
    return [f"NOTIFY_URL {url.digest}" for url in services.settings.notify_url]


def test_receivers_that_fail_hang_or_are_away_delay_no_other(built: Build, hook: Hook) -> None:
    failing, hanging, away = Hook(*[500] * 99), Hook(), Hook(listening=False)
    hanging.delay = 60
    # The same host and port, even: a URL by itself has places of its own.
    services = built(failing.url, hanging.url, away.url, f"{hanging.url}&other", hook.url)
    jobs = [f"job-{n}" for n in range(12)]
    for job_id in jobs:
        ended(services, job_id)
    failed, _, absent, _, good = names(services)
    with closing(NotificationDispatcher(partial(deliver, services))) as dispatcher:
        wait_for(
            "the good one has all",
            lambda: (dispatch_due(services, dispatcher), len(hook.calls) == len(jobs))[1],
        )
        wait_for(
            "each fails by itself",
            lambda: {failed, absent} <= {to for job in jobs for _, to, _ in events(services, job)},
        )
        wait_for("four of each of its URLs", lambda: len(hanging.calls) == 2 * PER_HOST_THREADS)
        hanging.release()
    assert {call.payload["data"]["id"] for call in hook.calls} == set(jobs)
    first = by_python(hook.calls[0], NEW)["data"]["id"]
    assert good not in pending(services, first)
    left = pending(services, jobs[0])
    assert (left[failed].attempts, left[absent].attempts) == (1, 1)
    assert left[failed].at > left[failed].since < left[absent].at
    for other in (failing, hanging, away):
        other.close()


def test_each_url_has_one_id_for_all_attempts(built: Build, hook: Hook) -> None:
    other = Hook(503)
    services = built(hook.url, other.url)
    ended(services, "job")
    dispatch_until(services, "one failed", lambda: len(events(services, "job")) == 2)

    def make_due(job: Job, now: float) -> Job:
        (one,) = job.notifications.pending
        return job.with_notifications(pending=(replace(one, at=now),))

    services.store.change("job", make_due)
    dispatch_until(services, "both delivered", lambda: not pending(services, "job"))
    other.close()
    assert len(hook.calls) == 1 and len(other.calls) == 2
    assert other.calls[0].id == other.calls[1].id != hook.calls[0].id


def test_each_url_gets_the_events_that_it_names(built: Build, hook: Hook) -> None:
    services = built(f"{hook.url}#failed+lost", f"{hook.url}&all", f"{hook.url}&stored#stored")
    some, every, stored = names(services)
    assert {*pending_of(ended(services, "a"))} == {some, every}
    assert {*pending_of(ended(services, "b", Status.LOST))} == {some, every}
    assert {*pending_of(ended(services, "c", Status.EXPIRED))} == {every}
    assert {*pending_of(ended(services, "d", Status.STORED))} == {every, stored}


def pending_of(job: Job) -> list[str]:
    return [one.recipient for one in job.notifications.pending]


@pytest.mark.parametrize("host", ["hooks.slack.com", "discord.com"])
def test_a_chat_service_gets_a_line_with_a_link_and_no_signature(
    built: Build, hook: Hook, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", FakeResolver(host, ["127.0.0.1"]))
    services = built(f"http://{host}:{hook.port}/api/webhooks/1/token", secret="")
    ended(services, "job")
    dispatch_until(services, "delivered", lambda: not pending(services, "job"))
    (call,) = hook.calls
    line = call.payload["text" if "slack" in host else "content"]
    assert line == f"Job failed · <{services.base_url()}/jobs/job>"
    assert call.headers["Content-Type"] == "application/json"
    assert not [name for name in call.headers if name.startswith("webhook-")]


def test_a_notification_of_a_removed_url_is_given_up(built: Build, hook: Hook) -> None:
    removed = built("http://127.0.0.1:1/removed")
    ended(removed, "job")
    services = built(hook.url)
    dispatch_until(services, "given up", lambda: not pending(services, "job"))
    why = "NOTIFY_URL does not name its URL any more"
    assert events(services, "job") == [("notification.abandoned", *names(removed), why)]
    assert not hook.calls


def first_waits_for_hours(job: Job, now: float) -> Job:
    first, second = job.notifications.pending
    return job.with_notifications(pending=(replace(first, at=now - 36000), second))


def take_places(dispatcher: NotificationDispatcher, recipient: str, job: Job) -> None:
    for n in range(PER_HOST_PENDING_MAX):
        dispatcher.submit(Delivery(f"other-{n}", recipient, job.request.key, "127.0.0.1"))


def test_a_url_that_waits_for_hours_delays_no_other_that_has_no_place_yet(built: Build) -> None:
    services = built("http://127.0.0.1:1/a", "http://127.0.0.1:1/b")
    job, released = ended(services, "job"), threading.Event()
    services.store.change("job", first_waits_for_hours)
    with closing(NotificationDispatcher(lambda *_: released.wait(60))) as dispatcher:
        for recipient in names(services):
            take_places(dispatcher, recipient, job)
        dispatch_due(services, dispatcher)
        at = dict(services.due.notifications.earliest(1))["job"]
        released.set()
    assert at <= job.end + 600, "it is read as seldom as the one that waits for hours"


def test_a_url_without_places_delays_no_retry_of_another(built: Build, hook: Hook) -> None:
    hook.answers = [503]
    services = built("http://127.0.0.1:1/hangs", hook.url)
    hangs, answers = names(services)
    job, released = ended(services, "job"), threading.Event()

    def deliver_or_hang(job_id: str, recipient: str) -> None:
        _ = released.wait(60) if recipient == hangs else deliver(services, job_id, recipient)

    def again_at() -> float:
        dispatch_due(services, dispatcher)
        return dict(services.due.notifications.earliest(1))["job"]

    services.store.change("job", first_waits_for_hours)
    with closing(NotificationDispatcher(deliver_or_hang)) as dispatcher:
        take_places(dispatcher, hangs, job)
        wait_for("it failed", lambda: (again_at(), events(services, "job"))[1])
        retry_at = pending(services, "job")[answers].at
        wait_for("the job is read when it is due", lambda: again_at() <= retry_at)
        assert again_at() <= retry_at
        released.set()


def test_each_url_is_tried_and_none_is_shown(built: Build, hook: Hook) -> None:
    services = built(hook.url, "http://127.0.0.1:1/secret-path")
    first, second, _ = check(Context(services.settings))
    assert (first.grade, second.grade) == (Grade.OK, Grade.WARNING)
    one, two = (name.split(" ")[1] for name in names(services))
    assert first.why == f"NOTIFY_URL, number 1 ({one}): reached"
    assert second.why.startswith(f"NOTIFY_URL, number 2 ({two}): the connection failed")
    assert "127.0.0.1" not in f"{first}{second}"
