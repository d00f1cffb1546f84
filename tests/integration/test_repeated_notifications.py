"""`POST /api/notifications`: an app that was away is notified once more of what ended since."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.domain import notifications
from jobs.domain.notifications import GIVE_UP_AFTER_SECONDS, DeliveryOutcome
from tests.harness.local_worker import LocalWorker
from tests.harness.notifications import NEW
from tests.harness.parts import api_over
from tests.harness.patience import wait_for
from tests.harness.webhook_receiver import Hook
from tests.sandbox import Task
from worker.notifications import delivery
from worker.periodic import batch_actions


@pytest.fixture
def hook() -> Iterator[Hook]:
    """NOTIFY_URL."""
    receiver = Hook()
    yield receiver
    receiver.close()


@pytest.fixture
def worker_settings(hook: Hook) -> dict[str, str]:
    return {"NOTIFY_URL": hook.url, "NOTIFY_SECRET": NEW}


@pytest.fixture
def api(worker: LocalWorker) -> Any:
    return api_over(worker.services)


def stored(worker: LocalWorker) -> Task:
    task = worker.ready(format="mp4")
    worker.work()
    return task


def deliver(worker: LocalWorker, job_id: str) -> None:
    for pending in worker.job(job_id).notifications.pending:
        delivery.deliver(worker.services, job_id, pending.recipient)


def asked(api: Any, since: float, **query: Any) -> Any:
    return api.post("/api/notifications", query_string={"since": str(since), **query})


def repeat(worker: LocalWorker, api: Any, since: float) -> dict[str, Any]:
    """Both steps, and the sweep's."""
    counted = asked(api, since)
    assert (counted.status_code, counted.json["code"]) == (428, "count_required")
    begun = asked(api, since, count=counted.json["count"], until=counted.json["until"])
    assert begun.status_code == 202
    while worker.services.batches.under_way():
        batch_actions.step(worker.services)
    batch: dict[str, Any] = api.get(begun.headers["Location"]).json
    return batch


def test_what_ended_since_is_notified_once_more_with_the_same_id(
    worker: LocalWorker, api: Any, hook: Hook
) -> None:
    earlier = stored(worker)
    deliver(worker, earlier.id)
    since = worker.store.now()
    task = stored(worker)
    deliver(worker, task.id)
    assert not worker.job(task).notifications.pending
    batch = repeat(worker, api, since)
    assert (batch["action"], batch["total"], batch["done"]) == ("notify", 1, 1)
    assert not worker.job(earlier).notifications.pending
    deliver(worker, task.id)
    wait_for("three calls", lambda: len(hook.calls) == 3)
    about_task = [call for call in hook.calls if json.loads(call.body)["data"]["id"] == task.id]
    first, second = (call.headers["webhook-id"] for call in about_task)
    assert first == second


def test_a_notification_that_is_pending_is_not_doubled(worker: LocalWorker, api: Any) -> None:
    task = stored(worker)
    before = worker.job(task).notifications.pending
    repeat(worker, api, 0)
    assert worker.job(task).notifications.pending == before


def test_the_step_of_a_killed_sweep_notifies_nobody_twice(worker: LocalWorker, api: Any) -> None:
    task = stored(worker)
    deliver(worker, task.id)
    counted = asked(api, 0).json
    asked(api, 0, count=counted["count"], until=counted["until"])
    (batch,) = worker.services.batches.under_way()
    for _ in range(2):  # the first one was killed before it committed the page
        batch_actions._act(worker.services, batch, [worker.job(task)])  # noqa: SLF001
        deliver(worker, task.id)
    assert worker.services.batches.latest()[0].done == 1


def test_a_repeated_notification_is_tried_for_another_day(worker: LocalWorker) -> None:
    task = stored(worker)
    deliver(worker, task.id)
    owner = worker.store.followers.owner
    job = worker.job(task)
    late = job.end + 3 * GIVE_UP_AFTER_SECONDS
    repeated = notifications.repeat(job, late, owner)
    (pending,) = repeated.notifications.pending
    refused = DeliveryOutcome("answered 500")
    retried = notifications.finish(repeated, pending, refused, late + 1, jitter=1.0)
    assert retried.notifications.pending[0].at > late
    too_late = late + GIVE_UP_AFTER_SECONDS + 1
    assert not notifications.finish(
        repeated, pending, refused, too_late, jitter=1.0
    ).notifications.pending


def test_since_is_required_and_a_job_under_way_is_none(worker: LocalWorker, api: Any) -> None:
    worker.ready(format="mp4")
    assert api.post("/api/notifications").status_code == 400
    assert asked(api, 0).json["count"] == 0
    assert asked(api, 0, status="queued").status_code == 400
