"""One poll: which hosts are asked, what is an answer, and what is a sign of life."""

from typing import Any

import pytest

from jobs.domain.job import Job
from jobs.domain.status import Status
from tests.harness.local_worker import LocalWorker
from tests.harness.past_jobs import details
from tests.sandbox import Task


def awaited(worker: LocalWorker, task: Task, *, own_host: bool = True, **polling: Any) -> None:
    """A job whose poll is due."""
    url = f"{worker.sandbox.url}/v1/get_result?id={task.id}" if own_host else None
    origin, model = polling.pop("origin", None), polling.pop("model", None)

    def begin(job: Job | None, now: float) -> Job:
        known = job or Job.awaited(task.id, now - 100, worker.timeouts, model=model)
        polled = known.with_polling(polling_url=url, **polling)
        return polled.with_submission(origin=origin).enqueue(now)

    worker.store.update(task.id, begin, assumes_new=True)


def asked(worker: LocalWorker, task: Task) -> Job:
    worker.work()
    return worker.job(task)


@pytest.mark.parametrize("status", [400, 402, 422, 500, 502, 503])
@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        ("error", Status.FAILED),
        ("failed", Status.FAILED),
        ("content_moderated", Status.MODERATED),
        ("request_moderated", Status.MODERATED),
    ],
)
def test_a_final_answer_counts_whatever_its_status_code(
    worker: LocalWorker, status: int, outcome: str, state: Status
) -> None:
    task = worker.finished(outcome=outcome, failed_status=status, error_text="the model ran dry")
    awaited(worker, task)
    job = asked(worker, task)
    assert job.status is state
    assert job.error is None or "the model ran dry" in job.error.message


def test_a_refused_poll_keeps_bfls_words(worker: LocalWorker) -> None:
    task = worker.finished()
    awaited(worker, task)
    worker.sandbox.settings.change({"poll_fault": 403})
    job = asked(worker, task)
    words = "BFL refuses the API key: Not authenticated - Invalid Authentication"
    assert job.status is Status.SUBMITTED
    assert details(job, "poll.retried") == [{"answer": words}]


@pytest.fixture
def a_long_task(worker: LocalWorker) -> Task:
    """BFL says that it is pending."""
    return worker.sandbox.submit("flux-3-video", switches={"seconds": 600, "callback": "never"})


@pytest.mark.parametrize("own_host", [True, False])
def test_pending_on_the_host_that_knows_the_task_keeps_a_job_alive(
    worker: LocalWorker, a_long_task: Task, own_host: bool
) -> None:
    awaited(worker, a_long_task, own_host=own_host)
    before = worker.job(a_long_task)
    job = asked(worker, a_long_task)
    assert job.polling.alive_at is not None and job.deadline > before.deadline
    assert job.polling.polling_url == f"{worker.sandbox.url}/v1/get_result?id={a_long_task.id}"
    assert job.polling.is_host_found is not own_host


@pytest.mark.parametrize(("awaits_callback", "least", "most"), [(True, 500, 1e9), (False, 0, 15)])
def test_a_poll_that_says_pending_begins_the_grace_anew_unless_no_callback_can_come(
    worker: LocalWorker,
    a_long_task: Task,
    awaits_callback: bool,
    least: float,
    most: float,
) -> None:
    awaited(worker, a_long_task, model="flux-3-video", awaits_callback=awaits_callback)
    job, now = asked(worker, a_long_task), worker.store.now()
    assert job.polling.next_check_at is not None
    assert least < job.polling.next_check_at - now < most
