"""Notification schedule: targets, times, retries and the end of retries."""

from itertools import pairwise

import pytest

from jobs import notifications, submission
from jobs.job import Job
from jobs.notifications import GIVE_UP_AFTER_SECONDS, PAUSES_SECONDS, Outcome
from jobs.record import ClientWebhook, NotificationTarget, PendingNotification
from jobs.report import Failure
from jobs.status import Status
from jobs.store import codec
from jobs.store.indexes import indexes
from jobs.timeline import EventCode
from jobs.timeouts import Timeouts

NOW = 1_790_000_000.0
TIMEOUTS = Timeouts(60, 3600)
DOWN = Outcome("it answered 503")
APP = "https://app.example/told"


def at_work(notify_url: str | None = None, client_webhook: ClientWebhook | None = None) -> Job:
    job = Job.expected("abc", NOW - 10, TIMEOUTS).with_notifications(notify_url=notify_url)
    return job.with_submission(client_webhook=client_webhook)


def failed(job: Job, now: float = NOW) -> Job:
    return job.ended(now, Status.FAILED, error=Failure("error", "BFL failed"))


def ended(
    *,
    owner: bool = False,
    now: float = NOW,
    notify_url: str | None = None,
    client_webhook: ClientWebhook | None = None,
) -> Job:
    job = at_work(notify_url, client_webhook)
    return notifications.schedule(job, failed(job, now), now, owner=owner)


def sent(job: Job, to: NotificationTarget, now: float) -> tuple[Job, PendingNotification]:
    taken = notifications.claim(job, to, now)
    one = notifications.find(taken, to)
    assert one is not None
    return taken, one


def tried(
    job: Job, outcome: Outcome, to: NotificationTarget = NotificationTarget.APP, jitter: float = 1.0
) -> Job:
    """After one more try, made when it is due."""
    due = notifications.find(job, to)
    assert due is not None
    taken, one = sent(job, to, due.at)
    return notifications.finish(taken, one, outcome, due.at, jitter)


def events(job: Job) -> list[str]:
    return [line.event for line in job.timeline]


# Who is told.


def test_each_target_gets_a_notification_of_its_own() -> None:
    job = ended(owner=True, notify_url=APP, client_webhook=ClientWebhook("https://client.example/"))
    assert [one.to for one in job.notifications.pending] == [
        NotificationTarget.CALLER,
        NotificationTarget.APP,
        NotificationTarget.OWNER,
    ]
    assert len({one.id(job.id) for one in job.notifications.pending}) == 3
    assert {one.at for one in job.notifications.pending} == {NOW}


def test_only_the_end_of_a_job_with_a_target_is_notified() -> None:
    job = at_work(notify_url=APP)
    assert notifications.schedule(None, job, NOW, owner=True) is job
    assert ended().notifications.pending == ()


def test_what_happens_to_a_job_after_its_end_is_not_another_end() -> None:
    job = ended(owner=True, notify_url=APP)
    later = job.with_event(NOW + 5, EventCode.MEDIA_DELETED)
    assert notifications.schedule(job, later, NOW + 5, owner=True) is later


def test_a_target_named_after_the_end_is_notified_once() -> None:
    job = ended()
    late = notifications.schedule(
        job, job.with_details(NOW + 9, {"notify_url": APP}), NOW + 9, owner=True
    )
    assert [(one.to, one.at) for one in late.notifications.pending] == [
        (NotificationTarget.APP, NOW + 9)
    ]
    again = late.with_details(NOW + 20, {"notify_url": APP})
    assert (
        notifications.schedule(late, again, NOW + 20, owner=True).notifications.pending
        == late.notifications.pending
    )


def test_a_replayed_job_drops_its_pending_notifications_and_ends_anew() -> None:
    first = ended(notify_url=APP)
    reopen = notifications.schedule(
        first, submission.reopen(first, NOW + 50, TIMEOUTS), NOW, owner=False
    )
    assert reopen.notifications.pending == ()
    second = notifications.schedule(reopen, failed(reopen, NOW + 60), NOW + 60, owner=False)
    assert second.notifications.pending[0].id("abc") != first.notifications.pending[0].id("abc")


def test_the_end_of_an_older_life_is_not_taken_for_that_of_a_newer_one() -> None:
    old, one = sent(ended(notify_url=APP), NotificationTarget.APP, NOW)
    new = ended(notify_url=APP, now=NOW + 60)
    assert notifications.finish(new, one, Outcome(), NOW + 61, 1.0) is new
    assert (
        notifications.finish(
            old.with_notifications(pending=()), one, DOWN, NOW + 61, 1.0
        ).notifications.pending
        == ()
    )


# How it goes on.


def test_two_senders_do_not_send_the_same_notification_at_once() -> None:
    taken, one = sent(ended(notify_url=APP), NotificationTarget.APP, NOW)
    assert notifications.claim(taken, NotificationTarget.APP, NOW + 1) is taken
    assert one.at == NOW + notifications.CLAIM_SECONDS


def test_a_sender_that_died_is_followed_by_another_with_the_same_id() -> None:
    taken, first = sent(ended(notify_url=APP), NotificationTarget.APP, NOW)
    _, second = sent(taken, NotificationTarget.APP, NOW + notifications.CLAIM_SECONDS)
    assert second.id("abc") == first.id("abc") and second.attempts == 2


def test_a_delivered_notification_leaves_a_timeline_event_only() -> None:
    notified = tried(ended(notify_url=APP), Outcome())
    assert (notified.notifications.pending, events(notified)) == ((), ["notification.delivered"])
    assert b"pending" not in codec.encode(notified, 1)


def test_the_pauses_grow_over_a_day_and_then_it_is_given_up_where_that_can_be_seen() -> None:
    job, times = ended(notify_url=APP), []
    for _ in range(100):
        if not job.notifications.pending:
            break
        times.append(job.notifications.pending[0].at - NOW)
        job = tried(job, DOWN)
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert tuple(pauses[: len(PAUSES_SECONDS)]) == PAUSES_SECONDS
    assert times[-1] == GIVE_UP_AFTER_SECONDS and len(times) < 20
    assert events(job) == ["notification.retried", "notification.abandoned"]
    assert job.timeline[-1].detail == {"to": "notify_url", "reason": "it answered 503"}


def test_notifications_that_failed_together_are_retried_at_different_times() -> None:
    early, late = (
        tried(ended(notify_url=APP), DOWN, jitter=j).notifications.pending[0].at for j in (0.9, 1.1)
    )
    assert early < NOW + PAUSES_SECONDS[0] < late


@pytest.mark.parametrize(
    ("asked", "pause"), [(2, 5), (90, 90), (10**9, 3600), (float("inf"), 3600)]
)
def test_a_retry_after_header_is_respected_up_to_a_limit(asked: float, pause: float) -> None:
    job = tried(ended(notify_url=APP), Outcome("it answered 429", retry_after=asked))
    assert job.notifications.pending[0].at == NOW + pause


def test_a_receiver_that_is_gone_is_not_called_again() -> None:
    job = tried(ended(notify_url=APP), Outcome("it answered 410", final=True))
    assert (job.notifications.pending, events(job)) == ((), ["notification.abandoned"])


def test_a_client_of_bfls_api_is_called_at_bfls_pace() -> None:
    job, times = ended(client_webhook=ClientWebhook("https://client.example/")), []
    while job.notifications.pending:
        times.append(job.notifications.pending[0].at - NOW)
        job = tried(job, DOWN, NotificationTarget.CALLER)
    assert times == [0, 1, 6, 36]


def test_a_failure_of_one_target_does_not_affect_another() -> None:
    job = ended(owner=True, notify_url=APP)
    job = tried(tried(job, DOWN), Outcome(), NotificationTarget.OWNER)
    assert [one.to for one in job.notifications.pending] == [NotificationTarget.APP]
    assert [line.detail["to"] for line in job.timeline] == ["notify_url", "NOTIFY_URL"]


def test_the_same_failure_of_two_targets_is_recorded_once() -> None:
    job = ended(owner=True, notify_url=APP)
    for _ in range(5):
        job = tried(tried(job, DOWN), DOWN, NotificationTarget.OWNER)
    assert events(job) == ["notification.retried"] * 2


def test_a_job_is_due_for_notification_at_its_earliest_notification() -> None:
    job = tried(ended(owner=True, notify_url=APP), DOWN)
    assert indexes(job)["fluxkeep:notifications"] == NOW
    assert "fluxkeep:notifications" not in indexes(tried(ended(notify_url=APP), Outcome()))
