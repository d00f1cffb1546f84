"""Notifications of a job's end: who must be notified when, and the retry policy. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from jobs.domain.job import Job
from jobs.domain.job_record import NotificationTarget, PendingNotification
from jobs.domain.retry_policy import RetryPolicy
from jobs.domain.status import Status
from jobs.domain.timeline import EventCode, TimelineEvent

CLAIM_SECONDS = 30.0  # after this a notification that was claimed counts as not sent
# As BFL repeats a failed webhook. `docs/api.md` promises the pauses of both policies.
RETRIES_LIKE_BFL = RetryPolicy.promising(1.0, 5.0, 30.0, retries_max=3)
RETRIES = RetryPolicy.promising(
    5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, jitter=0.1
)
GIVE_UP_AFTER_SECONDS = 86400.0

OwnerEvents = Mapping[str, frozenset[str]]  # what each URL of NOTIFY_URL gets, by its digest


class DeliveryOutcome(NamedTuple):
    """The outcome of one attempt; `final` forbids another, `retry_after` is in seconds."""

    problem: str = ""
    final: bool = False
    retry_after: float = 0.0


def schedule(before: Job | None, after: Job, now: float, owner: OwnerEvents) -> Job:
    """Add a notification for each target when a job ends, or when a target is named afterwards.

    A job that was replayed has not ended: its notifications are dropped. A job that is restored
    from its sidecar ended long ago.
    """
    if not after.status.terminal:
        if after.notifications.pending:
            return after.with_notifications(pending=())
        return after
    if before is None and after.status is Status.STORED:
        return after
    has_just_ended = before is None or not before.status.terminal
    since = after.end if has_just_ended else now  # the id follows from it, also of a repetition
    added = []
    for target, digest in _targets(before, after, owner):
        added.append(PendingNotification(target, since, now, url_digest=digest))
    if not added:
        return after
    recipients = {notification.recipient for notification in added}
    pending = [
        notification
        for notification in after.notifications.pending
        if notification.recipient not in recipients
    ]
    pending += added
    return after.with_notifications(pending=tuple(pending))


def repeat(job: Job, now: float, owner: OwnerEvents) -> Job:
    """Notify once more of an end, with unchanged ids; pending notifications stay as they are."""
    pending = list(job.notifications.pending)
    pending_recipients = {notification.recipient for notification in pending}
    for target, digest in _targets(None, job, owner):
        repeated = PendingNotification(target, job.end, now, url_digest=digest, repeated_at=now)
        if repeated.recipient not in pending_recipients:
            pending.append(repeated)
    if len(pending) == len(job.notifications.pending):
        return job
    after = job.with_notifications(pending=tuple(pending))
    return after.with_event(now, EventCode.NOTIFICATION_REPEATED)


def has_recipient(job: Job, owner: OwnerEvents) -> bool:
    """Whether anybody is notified of the job's end."""
    return any(_targets(None, job, owner))


def _targets(
    before: Job | None, after: Job, owner: OwnerEvents
) -> Iterator[tuple[NotificationTarget, str]]:
    """Each target of a change, and which of NOTIFY_URL it is."""
    if before is None or not before.status.terminal:
        if after.submission.client_webhook:
            yield NotificationTarget.CALLER, ""
        if after.notifications.notify_url:
            yield NotificationTarget.APP, ""
        for digest, events in owner.items():
            if after.status in events:
                yield NotificationTarget.OWNER, digest
    elif _has_new_notify_url(before, after):
        yield NotificationTarget.APP, ""


def _has_new_notify_url(before: Job, after: Job) -> bool:
    notify_url = after.notifications.notify_url
    return notify_url is not None and notify_url != before.notifications.notify_url


def claim(job: Job, recipient: str, now: float) -> Job:
    """Claim a due notification for one sender; an unchanged job when it is not due."""
    notification = find(job, recipient)
    if notification is None or notification.at > now:
        return job
    attempts = notification.attempts + 1
    claimed = replace(notification, at=now + CLAIM_SECONDS, attempts=attempts)
    return _replaced(job, recipient, claimed)


def find(job: Job, recipient: str) -> PendingNotification | None:
    """The pending notification of a recipient."""
    for notification in job.notifications.pending:
        if notification.recipient == recipient:
            return notification
    return None


def finish(
    job: Job, sent: PendingNotification, outcome: DeliveryOutcome, now: float, jitter: float
) -> Job:
    """Remove a delivered notification, schedule the next attempt, or give up."""
    recipient = sent.recipient
    notification = find(job, recipient)
    # Another sender was faster, or the job was replayed and this end of it is superseded.
    if notification is None or notification.since != sent.since:
        return job
    if not outcome.problem:
        delivered = _removed(job, recipient)
        return delivered.with_event(now, EventCode.NOTIFICATION_DELIVERED, to=recipient)
    next_attempt_at = _next_attempt(notification, outcome, now, jitter)
    if next_attempt_at is None:
        after = _removed(job, recipient)
        event = EventCode.NOTIFICATION_ABANDONED
    else:
        after = _replaced(job, recipient, replace(notification, at=next_attempt_at))
        event = EventCode.NOTIFICATION_RETRIED
    detail = {"to": recipient, "reason": outcome.problem}
    # A failure that repeats is on record once, whatever happened to other recipients meanwhile.
    last_event = _last_event(job, recipient)
    if last_event and last_event.event == event and last_event.detail == detail:
        return after
    return after.with_event(now, event, **detail)


def _last_event(job: Job, recipient: str) -> TimelineEvent | None:
    """The last event of the timeline about a recipient."""
    for event in reversed(job.timeline):
        if event.detail.get("to") == recipient:
            return event
    return None


def _next_attempt(
    notification: PendingNotification, outcome: DeliveryOutcome, now: float, jitter: float
) -> float | None:
    """Time of the next attempt, None to give up.

    Jitter spreads the attempts of notifications that failed at one time.
    """
    if outcome.final:
        return None
    earlier_failures = notification.attempts - 1
    if notification.to is NotificationTarget.CALLER:
        return RETRIES_LIKE_BFL.next_attempt_at(now, earlier_failures)
    first_at = notification.since
    if notification.repeated_at:
        first_at = notification.repeated_at
    return RETRIES.next_attempt_at(
        now,
        earlier_failures,
        until=first_at + GIVE_UP_AFTER_SECONDS,
        jitter_factor=jitter,
        retry_after=outcome.retry_after,
    )


def _replaced(job: Job, recipient: str, changed: PendingNotification) -> Job:
    """Replace the pending notification of a recipient."""
    pending = []
    for notification in job.notifications.pending:
        if notification.recipient == recipient:
            pending.append(changed)
        else:
            pending.append(notification)
    return job.with_notifications(pending=tuple(pending))


def _removed(job: Job, recipient: str) -> Job:
    """Remove the pending notification of a recipient."""
    pending = [
        notification
        for notification in job.notifications.pending
        if notification.recipient != recipient
    ]
    return job.with_notifications(pending=tuple(pending))
