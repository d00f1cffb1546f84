"""Deliver one notification: claim it, send the request, record the outcome."""

import json
import logging
from http import HTTPStatus
from typing import NamedTuple

from jobs import kept_inputs, views
from jobs.bfl import compat
from jobs.bfl.parsing import AUTHENTICATION_HEADERS
from jobs.domain import notifications
from jobs.domain.chat_messages import chat_message, is_chat_webhook
from jobs.domain.errors import TransferFailed, UrlRefused
from jobs.domain.job import Job
from jobs.domain.job_record import NotificationTarget, PendingNotification
from jobs.domain.notifications import DeliveryOutcome
from jobs.domain.timestamps import rfc3339
from jobs.net import http_client
from jobs.net.urls import NotificationEndpoint
from jobs.services import Services
from jobs.signing import callback_digest
from jobs.store.commit import CommitOptions
from jobs.store.metrics import Counter
from jobs.views import Notification

ANSWER_SECONDS = 20.0

JSON = {"Content-Type": "application/json"}

log = logging.getLogger(__name__)


def deliver(services: Services, job_id: str, recipient: str) -> bool:
    """Deliver a notification; False when another thread or process claimed it first.

    Raises StoreUnavailable, UnreadableRecord.
    """
    change = services.store.change(
        job_id, lambda job, now: notifications.claim(job, recipient, now)
    )
    job = change.after
    if job is None or not change.written:
        return False
    claimed = notifications.find(job, recipient)
    if claimed is None:
        return False
    outcome = _send(services, job, claimed)
    log.info("job %s: %s %s", job_id, recipient, outcome.problem or "called")
    jitter = notifications.RETRIES.draw_jitter_factor()
    after = notifications.finish(job, claimed, outcome, services.store.now(), jitter)
    counter = Counter.NOTIFICATION_GIVEN_UP
    if not outcome.problem:
        counter = Counter.NOTIFICATION_DELIVERED
    elif notifications.find(after, recipient):
        counter = Counter.NOTIFICATION_POSTPONED
    services.store.change(
        job_id,
        lambda job, now: notifications.finish(job, claimed, outcome, now, jitter),
        CommitOptions({counter: 1}),
    )
    if after.notifications.pending:  # the job may be deferred for another that has no place
        services.due.notifications.schedule(job_id, services.store.now())
    return True


def _send(services: Services, job: Job, notification: PendingNotification) -> DeliveryOutcome:
    """POST a notification: in BFL's format, as a chat message, or as a Standard Webhook."""
    try:
        endpoint = endpoint_of(services, job, notification)
    except UrlRefused as error:
        return DeliveryOutcome(str(error), final=True)
    url = str(endpoint.url)
    if notification.to is NotificationTarget.CALLER:
        request = _callback_like_bfl(services, job)
    elif is_chat_webhook(url):
        request = _chat_message(services, job, url)
    else:
        request = _standard_webhook(services, job, notification)
    return post(endpoint, request.headers, request.body)


class _Request(NamedTuple):
    headers: dict[str, str]
    body: bytes


def _callback_like_bfl(services: Services, job: Job) -> _Request:
    """A callback as BFL sends it, with the caller's secret in both official headers."""
    response = compat.poll_response(job, services.links_to(job))
    body = json.dumps(response, ensure_ascii=False).encode()
    headers = JSON.copy()
    webhook = job.submission.client_webhook
    if webhook and webhook.secret is not None:
        secret_header, digest_header = AUTHENTICATION_HEADERS
        digest = callback_digest(webhook.secret.encode(), body).decode()
        headers[secret_header] = webhook.secret
        headers[digest_header] = f"sha256={digest}"
    return _Request(headers, body)


def _chat_message(services: Services, job: Job, url: str) -> _Request:
    """A line with a link, not signed: a chat service verifies nothing."""
    prompt = kept_inputs.prompt(job) or str(job.result.get("prompt") or "")
    link = f"{services.base_url()}/jobs/{job.id}"
    body = json.dumps(chat_message(url, job, prompt, link)).encode()
    return _Request(JSON, body)


def _standard_webhook(services: Services, job: Job, notification: PendingNotification) -> _Request:
    """The job as in the status API, signed for this attempt."""
    content: Notification = {
        "type": f"job.{job.status}",
        "timestamp": rfc3339(notification.since),
        "data": views.job_view(services, job),
    }
    text = json.dumps(content)
    message_id = notification.id(job.id)
    headers = JSON.copy()
    headers.update(services.notification_signer.headers(message_id, services.store.now(), text))
    return _Request(headers, text.encode())


def post(endpoint: NotificationEndpoint, headers: dict[str, str], body: bytes) -> DeliveryOutcome:
    """Send one request; the outcome follows from the status, the body is not read.

    A redirect is a failure; 410 forbids further attempts.
    """
    try:
        with (
            http_client.create_session(endpoint.url.origin, scope=endpoint.scope) as session,
            http_client.send_request(
                session, endpoint.url, seconds=ANSWER_SECONDS, headers=headers, body=body
            ) as response,
        ):
            status = response.status_code
            retry_after = http_client.retry_after(response) or 0.0
    except (TransferFailed, UrlRefused) as error:
        return DeliveryOutcome(str(error))
    if status // 100 == 2:
        return DeliveryOutcome()
    return DeliveryOutcome(f"it answered {status}", status == HTTPStatus.GONE, retry_after)


def endpoint_of(
    services: Services, job: Job, notification: PendingNotification
) -> NotificationEndpoint:
    """The URL of a recipient. Raises UrlRefused."""
    host_policy = services.host_policy
    if notification.to is NotificationTarget.OWNER:
        return host_policy.operator_endpoint(notification.url_digest)
    if notification.to is NotificationTarget.APP:
        return host_policy.notify_url_endpoint(job.notifications.notify_url or "")
    webhook = job.submission.client_webhook
    return host_policy.client_webhook_endpoint(webhook.url if webhook else "")
