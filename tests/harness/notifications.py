"""Jobs with notifications, and their outcome."""

import base64
import secrets
from dataclasses import replace
from typing import Any

from standardwebhooks import Webhook

from jobs.domain.job import Job
from tests.harness.parts import services_over
from tests.harness.patience import wait_for
from tests.harness.stack import QUICK_SECONDS, Stack
from tests.harness.webhook_receiver import Call, Hook

OLD, NEW, OTHER = (f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}" for _ in range(3))


def notified(stack: Stack, url: str, **switches: Any) -> str:
    """The id of a job whose end is told to this URL."""
    wanted = {"prompt": "p", "sandbox": {"seconds": QUICK_SECONDS, **switches}}
    order = {"model": "flux-2-pro", "input": wanted, "notify_url": url}
    answer = stack.client.request("POST", "/api/jobs", json=order)
    answer.raise_for_status()
    return str(answer.json()["id"])


def make_due(stack: Stack, job_id: str) -> None:
    """Time passes for whoever is still owed a notice."""

    def step(job: Job, now: float) -> Job:
        owed = job.notifications.pending
        return job.with_notifications(pending=tuple(replace(one, at=now) for one in owed))

    with stack.installation.redis.client() as redis:
        services_over(redis).store.change(job_id, step)


def notification_events(stack: Stack, job_id: str) -> list[tuple[str, str]]:
    """Notification events of the timeline, by target, whichever URL of it."""
    lines = [line for line in stack.client.job(job_id)["timeline"] if "to" in line["detail"]]
    return [(line["event"], line["detail"]["to"].partition(" ")[0]) for line in lines]


def is_why(stack: Stack, job_id: str, reason: str) -> bool:
    lines = stack.client.job(job_id)["timeline"]
    return reason in [line["detail"].get("reason") for line in lines]


def wait_for_event(stack: Stack, job_id: str, what: str, to: str = "notify_url") -> None:
    wait_for(f"{what} ({to})", lambda: (what, to) in notification_events(stack, job_id), 40)


def by_python(call: Call, secret: str) -> Any:
    return Webhook(secret).verify(call.body, call.headers)


def about(hook: Hook, job_id: str) -> list[Call]:
    return [call for call in hook.calls if call.payload["data"]["id"] == job_id]
