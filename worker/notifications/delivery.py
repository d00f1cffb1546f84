"""Deliver one notification: claim it, send the request, record the outcome."""

import json
import logging
from http import HTTPStatus

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
    job = change.after if change.written else None
    claimed = notifications.find(job, recipient) if job else None
    if job is None or claimed is None:
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
    url, headers = str(endpoint.url), JSON
    if notification.to is NotificationTarget.CALLER:
        # A callback as BFL sends it, with the caller's secret in both official headers.
        body = json.dumps(
            compat.poll_response(job, services.links_to(job)), ensure_ascii=False
        ).encode()
        webhook = job.submission.client_webhook
        if webhook and webhook.secret is not None:
            digest = callback_digest(webhook.secret.encode(), body).decode()
            values = (webhook.secret, f"sha256={digest}")
            headers = JSON | dict(zip(AUTHENTICATION_HEADERS, values, strict=True))
    elif is_chat_webhook(url):  # a line with a link, not signed: a chat service verifies nothing
        prompt = kept_inputs.prompt(job) or str(job.result.get("prompt") or "")
        link = f"{services.base_url()}/jobs/{job.id}"
        body = json.dumps(chat_message(url, job, prompt, link)).encode()
    else:  # the job as in the status API, signed for this attempt
        content: Notification = {
            "type": f"job.{job.status}",
            "timestamp": rfc3339(notification.since),
            "data": views.job_view(services, job),
        }
        message_id, text = notification.id(job.id), json.dumps(content)
        now, signer = services.store.now(), services.notification_signer
        headers, body = JSON | signer.headers(message_id, now, text), text.encode()
    return post(endpoint, headers, body)


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
            status, retry_after = response.status_code, http_client.retry_after(response) or 0.0
    except (TransferFailed, UrlRefused) as error:
        return DeliveryOutcome(str(error))
    if status // 100 == 2:
        return DeliveryOutcome()
    return DeliveryOutcome(f"it answered {status}", status == HTTPStatus.GONE, retry_after)


def endpoint_of(services: Services, job: Job, one: PendingNotification) -> NotificationEndpoint:
    """The URL of a recipient. Raises UrlRefused."""
    host_policy, webhook = services.host_policy, job.submission.client_webhook
    if one.to is NotificationTarget.OWNER:
        return host_policy.operator_endpoint(one.url_digest)
    if one.to is NotificationTarget.APP:
        return host_policy.notify_url_endpoint(job.notifications.notify_url or "")
    return host_policy.client_webhook_endpoint(webhook.url if webhook else "")
