"""Deliver one notification: claim it, send the request, record the outcome."""

import json
import logging
import random

from jobs import kept_inputs, views
from jobs.bfl import compat
from jobs.bfl.parsing import AUTHENTICATION_HEADERS
from jobs.domain import notifications
from jobs.domain.chat_messages import chat_message, is_chat_webhook
from jobs.domain.errors import TransferFailed, UrlRefused
from jobs.domain.job import Job
from jobs.domain.job_record import NotificationTarget, PendingNotification
from jobs.domain.notifications import DeliveryOutcome
from jobs.domain.timeline import rfc3339
from jobs.net import http_client
from jobs.net.urls import NotificationEndpoint
from jobs.services import Services
from jobs.signing import callback_digest
from jobs.store.commit import CommitOptions
from jobs.store.metrics import Counter
from jobs.views import Notification

ANSWER_SECONDS = 20.0
GONE = 410
JITTER = (0.9, 1.1)

JSON = {"Content-Type": "application/json"}

log = logging.getLogger(__name__)


def deliver(services: Services, job_id: str, recipient: str) -> bool:
    """Deliver a notification; False when another thread or process claimed it first.

    Raises StoreUnavailable, UnreadableRecord.
    """
    change = services.store.change(
        job_id, lambda job, now: notifications.claim(job, recipient, now)
    )
    job = change.after if change.written else None
    claimed = notifications.find(job, recipient) if job else None
    if job is None or claimed is None:
        return False
    _record(services, job, claimed, _send(services, job, claimed))
    return True


def _record(
    services: Services, job: Job, claimed: PendingNotification, outcome: DeliveryOutcome
) -> None:
    log.info("job %s: %s %s", job.id, claimed.recipient, outcome.problem or "called")
    jitter = random.uniform(*JITTER)  # noqa: S311 - no secret depends on it
    after = notifications.finish(job, claimed, outcome, services.store.now(), jitter)
    services.store.change(
        job.id,
        lambda job, now: notifications.finish(job, claimed, outcome, now, jitter),
        CommitOptions({_counter(after, claimed.recipient, outcome): 1}),
    )
    if after.notifications.pending:  # the job may be deferred for another that has no place
        services.due.notifications.schedule(job.id, services.store.now())


def _counter(after: Job, recipient: str, outcome: DeliveryOutcome) -> Counter:
    if not outcome.problem:
        return Counter.NOTIFICATION_DELIVERED
    if notifications.find(after, recipient):
        return Counter.NOTIFICATION_POSTPONED
    return Counter.NOTIFICATION_GIVEN_UP


def _send(services: Services, job: Job, notification: PendingNotification) -> DeliveryOutcome:
    """POST a notification."""
    try:
        endpoint = endpoint_of(services, job, notification)
    except UrlRefused as error:
        return DeliveryOutcome(str(error), final=True)
    url = str(endpoint.url)
    if notification.to is NotificationTarget.CALLER:
        headers, body = _in_bfl_format(services, job)
    elif is_chat_webhook(url):
        headers, body = JSON, _as_chat_message(services, job, url)
    else:
        headers, body = _as_standard_webhook(services, job, notification)
    return post(endpoint, headers, body)


def post(endpoint: NotificationEndpoint, headers: dict[str, str], body: bytes) -> DeliveryOutcome:
    """Send one request; the outcome follows from the status, the body is not read."""
    try:
        with (
            http_client.create_session(endpoint.url.origin, endpoint.scope) as session,
            http_client.send_request(
                session, endpoint.url, seconds=ANSWER_SECONDS, headers=headers, body=body
            ) as response,
        ):
            return _outcome(response.status_code, http_client.retry_after(response))
    except (TransferFailed, UrlRefused) as error:
        return DeliveryOutcome(str(error))


def endpoint_of(services: Services, job: Job, one: PendingNotification) -> NotificationEndpoint:
    """The URL of a recipient. Raises UrlRefused."""
    host_policy, webhook = services.host_policy, job.submission.client_webhook
    if one.to is NotificationTarget.OWNER:
        return host_policy.operator_endpoint(one.url_digest)
    if one.to is NotificationTarget.APP:
        return host_policy.notify_url_endpoint(job.notifications.notify_url or "")
    return host_policy.client_webhook_endpoint(webhook.url if webhook else "")


def _in_bfl_format(services: Services, job: Job) -> tuple[dict[str, str], bytes]:
    """A callback as BFL sends it, with the caller's secret in both official headers."""
    answer = compat.task(job, services.links_to(job))
    body = json.dumps(answer, ensure_ascii=False).encode()
    secret = job.submission.client_webhook.secret if job.submission.client_webhook else None
    if secret is None:
        return JSON, body
    digest = callback_digest(secret.encode(), body).decode()
    values = (secret, f"sha256={digest}")
    return JSON | dict(zip(AUTHENTICATION_HEADERS, values, strict=True)), body


def _as_chat_message(services: Services, job: Job, url: str) -> bytes:
    """A line with a link. Not signed: a chat service verifies nothing."""
    prompt = kept_inputs.prompt(job) or str(job.result.get("prompt") or "")
    link = f"{services.base_url()}/jobs/{job.id}"
    return json.dumps(chat_message(url, job, prompt, link)).encode()


def _as_standard_webhook(
    services: Services, job: Job, notification: PendingNotification
) -> tuple[dict[str, str], bytes]:
    """The job as in the status API, signed for this attempt (Standard Webhooks)."""
    content: Notification = {
        "type": f"job.{job.status}",
        "timestamp": rfc3339(notification.since),
        "data": views.job_view(services, job),
    }
    body = json.dumps(content)
    signature = services.notification_signer.headers(
        notification.id(job.id), services.store.now(), body
    )
    return JSON | signature, body.encode()


def _outcome(status: int, retry_after: float | None) -> DeliveryOutcome:
    """A redirect is a failure; 410 forbids further attempts."""
    if status // 100 == 2:
        return DeliveryOutcome()
    return DeliveryOutcome(
        f"it answered {status}", final=status == GONE, retry_after=retry_after or 0.0
    )
