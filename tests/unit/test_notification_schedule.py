"""Retries of notifications, to their end; `steps/afterwards.txt` has each step by itself."""

from itertools import pairwise

from jobs.domain import notifications
from jobs.domain.job import Job
from jobs.domain.job_record import ClientWebhook, NotificationTarget
from jobs.domain.notifications import GIVE_UP_AFTER_SECONDS, PAUSES_SECONDS, DeliveryOutcome
from jobs.domain.status import TERMINAL, Status
from jobs.store.indexes import indexes
from tests.harness.reports import NOW, TIMEOUTS

DOWN = DeliveryOutcome("it answered 503")
APP, CALLER = NotificationTarget.APP, NotificationTarget.CALLER
OWNERS = {"0a": TERMINAL, "0b": TERMINAL, "0c": frozenset({Status.STORED})}
OWNER, SECOND = "NOTIFY_URL 0a", "NOTIFY_URL 0b"


def ended(*, owner: bool = False, client_webhook: ClientWebhook | None = None) -> Job:
    """A job with an app to notify, or with a client of BFL's API."""
    notify_url = None if client_webhook else "https://app.example/told"
    job = Job.awaited("abc", NOW - 10, TIMEOUTS).with_notifications(notify_url=notify_url)
    job = job.with_submission(client_webhook=client_webhook)
    urls = OWNERS if owner else {}
    return notifications.schedule(job, job.ended(NOW, Status.LOST), NOW, urls)


def tried(job: Job, outcome: DeliveryOutcome, to: str = APP) -> Job:
    """After one more attempt, made when it is due."""
    due = notifications.find(job, to)
    assert due is not None
    claimed = notifications.claim(job, to, due.at)
    sent = notifications.find(claimed, to)
    assert sent is not None
    return notifications.finish(claimed, sent, outcome, due.at, 1.0)


def attempted_at(job: Job, to: str) -> tuple[list[float], Job]:
    """Seconds from the end to each attempt while all fail, and the job afterwards."""
    times = []
    while job.notifications.pending:
        times.append(job.notifications.pending[0].at - NOW)
        job = tried(job, DOWN, to)
    return times, job


def events(job: Job) -> list[str]:
    return [line.event for line in job.timeline]


def test_the_pauses_grow_over_a_day_and_then_it_is_given_up_where_that_can_be_seen() -> None:
    times, job = attempted_at(ended(), APP)
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert tuple(pauses[: len(PAUSES_SECONDS)]) == PAUSES_SECONDS
    assert times[-1] == GIVE_UP_AFTER_SECONDS and len(times) < 20
    assert events(job) == ["notification.retried", "notification.abandoned"]
    assert job.timeline[-1].detail == {"to": "notify_url", "reason": "it answered 503"}


def test_a_client_of_bfls_api_is_called_at_bfls_pace() -> None:
    times, _ = attempted_at(ended(client_webhook=ClientWebhook("https://client.example/")), CALLER)
    assert times == [0, 1, 6, 36]


def test_targets_fail_and_succeed_independently() -> None:
    job = ended(owner=True)
    after = tried(tried(job, DOWN), DeliveryOutcome(), OWNER)
    assert [one.recipient for one in after.notifications.pending] == [APP, SECOND]
    assert [one.attempts for one in after.notifications.pending] == [1, 0]
    for _ in range(5):
        job = tried(tried(tried(job, DOWN), DOWN, OWNER), DOWN, SECOND)
    assert events(job) == ["notification.retried"] * 3, "each reason is recorded once"
    assert [line.detail["to"] for line in job.timeline] == [APP, OWNER, SECOND]


def test_a_job_is_due_for_notification_at_its_earliest_notification() -> None:
    assert indexes(tried(ended(owner=True), DOWN))["fluxkeep:notifications"] == NOW
    assert "fluxkeep:notifications" not in indexes(tried(ended(), DeliveryOutcome()))
