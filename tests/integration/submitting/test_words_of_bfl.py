"""BFL's words of November 2026, with a worker and a sandbox: each has its right outcome."""

from dataclasses import replace
from typing import Any

import pytest

from jobs.domain.bfl_report import ErrorCode
from jobs.domain.job import NOT_FETCHED, Job
from jobs.domain.status import Status
from receiver.checks import bfl
from receiver.checks.context import Context
from receiver.checks.result import Grade
from tests.harness.local_worker import LocalWorker, submission_body
from worker import poll

VIDEO = "flux-3-video"
EDIT = "flux-tools/video-edit-v1"
UPSCALE = "flux-tools/video-upscale-v1"


@pytest.fixture
def worker_settings() -> dict[str, str]:
    return {"MAX_ACTIVE": "24,flux-3-video=2", "WORKER_CONCURRENCY": "1"}


def work_off(worker: LocalWorker) -> None:
    while worker.next():
        worker.work()


def grades(worker: LocalWorker) -> list[tuple[Grade, str]]:
    context = Context(worker.services.settings, worker.services)
    return [(one.grade, one.why) for one in bfl.check_submissions(context)]


# 402 under load.


@pytest.mark.parametrize("model", [VIDEO, EDIT, UPSCALE])
def test_a_video_waits_for_another_one_to_settle(worker: LocalWorker, model: str) -> None:
    worker.sandbox.settings.strict = False
    worker.post("a", VIDEO, submission_body(seconds=60))
    worker.work()
    worker.post("b", model, submission_body(submit_status=402))
    worker.work()
    assert worker.job("b").submission.is_queued and list(worker.circuits()) == [model]
    ((grade, why),) = grades(worker)
    assert grade is Grade.WARNING and "until one has settled: Insufficient credits" in why
    assert worker.circuits()[model] < 5, "as for a 429"


def test_the_next_video_is_tried_as_soon_as_one_has_ended(worker: LocalWorker) -> None:
    worker.sandbox.settings.strict = False
    worker.post("a", VIDEO, submission_body(seconds=0))
    worker.work()
    worker.post("b", EDIT, submission_body(submit_status=402, submit_times=1))
    worker.work()
    for _ in range(3):  # the pause is long by now
        worker.queue.open_circuit(EDIT, worker.queue.open_circuits()[0].reason, 3000)
    assert worker.next() is None
    worker.store.change("a", Job.enqueue)
    worker.work(2)
    assert worker.job("a").status is Status.STORED
    assert worker.next() == "b"
    worker.work()
    assert worker.job("b").task_id and worker.circuits() == {}


def test_without_another_video_the_project_is_to_blame(worker: LocalWorker) -> None:
    worker.sandbox.settings.strict = False
    worker.post("b", EDIT, submission_body(submit_status=402))
    worker.work()
    ((grade, why),) = grades(worker)
    assert grade is Grade.FAILED
    assert "until one has settled, or your BFL project's spending limit" in why


def test_an_image_waits_for_no_video(worker: LocalWorker) -> None:
    worker.sandbox.settings.strict = False
    worker.post("a", VIDEO, submission_body(seconds=60))
    worker.work()
    worker.post("b", "flux-2-pro", submission_body(submit_status=402))
    worker.work()
    assert [grade for grade, _ in grades(worker)] == [Grade.FAILED]


def test_the_video_endpoints_share_one_limit(worker: LocalWorker) -> None:
    worker.sandbox.settings.strict = False
    for n, model in enumerate((EDIT, UPSCALE, VIDEO, "flux-tools/erase-v1")):
        worker.post(str(n), model, submission_body(seconds=60))
    work_off(worker)
    at_bfl = [worker.job(str(n)).task_id is not None for n in range(4)]
    assert at_bfl == [True, True, False, True]
    used = {one.model: (one.used, one.most) for one in worker.queue.slot_usage().models}
    assert used[VIDEO] == (2, 2)


# Models.


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("flux-9-mega", "BFL has no model flux-9-mega; the nearest is flux-2-max"),
        ("flux-2-por", "BFL has no model flux-2-por; the nearest is flux-2-pro"),
        ("flux-pro", "BFL has no model flux-pro any more; use flux-2-pro"),
        ("flux-kontext", "BFL has no model flux-kontext any more; use flux-kontext-pro"),
    ],
)
def test_an_unknown_model_names_the_one_that_is_meant(
    worker: LocalWorker, api: Any, model: str, message: str
) -> None:
    worker.sandbox.settings.any_model = False
    job_id = api.post("/api/jobs", json={"model": model, "input": {"prompt": "a"}}).json["id"]
    worker.work()
    error = worker.job(job_id).error
    assert error and (error.code, error.message) == (ErrorCode.UNKNOWN_MODEL, message)
    assert error.answer == {"detail": "Not Found"}


# A final status in the answer to a submission.


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"status": "Error", "details": {"error": "no such input"}}, Status.FAILED),
        ({"status": "Request Moderated", "details": None}, Status.MODERATED),
        ({"status": "Content Moderated", "details": "Violence"}, Status.MODERATED),
        ({"status": "Pending"}, Status.SUBMITTED),
        ({"status": "Ready", "result": None}, Status.SUBMITTED),
    ],
)
def test_a_final_status_in_the_answer_to_a_submission_is_applied(
    worker: LocalWorker, answer: dict[str, Any], status: Status
) -> None:
    worker.post("a", given=submission_body(seconds=60, submit_answer=answer))
    worker.work()
    job = worker.job("a")
    assert job.task_id and job.status is status
    assert not worker.queue.slot_usage().used or not status.terminal


def test_a_ready_answer_to_a_submission_is_rescued(worker: LocalWorker) -> None:
    task = worker.finished()
    url = worker.sandbox._engine.urls(worker.sandbox.task(task.id))[0]  # noqa: SLF001
    answer = {"status": "Ready", "result": {"sample": url, "seed": 7}}
    worker.post("a", given=submission_body(seconds=60, submit_answer=answer))
    worker.work(2)
    assert worker.job("a").status is Status.STORED


# Polls.


def ask(worker: LocalWorker, job_id: str) -> Job:
    worker.store.change(job_id, Job.enqueue)
    worker.work()
    return worker.job(job_id)


def make_older(worker: LocalWorker, job_id: str, seconds: float) -> None:
    """As if it had been sent so much earlier."""

    def shift(job: Job, _now: float) -> Job:
        older = tuple(replace(one, at=one.at - seconds) for one in job.timeline)
        return job.evolve(timeline=older, created_at=job.created_at - seconds)

    worker.store.change(job_id, shift)


def test_a_ready_without_any_file_ends_after_ten_minutes(worker: LocalWorker) -> None:
    worker.post("a", given=submission_body(seconds=0, sample="missing"))
    worker.work()
    job = ask(worker, "a")
    assert job.status is Status.SUBMITTED and job.polling.unclear_since
    worker.store.change("a", lambda job, now: job.with_polling(unclear_since=now - 590))
    assert ask(worker, "a").status is Status.SUBMITTED
    worker.store.change("a", lambda job, now: job.with_polling(unclear_since=now - 600))
    job = ask(worker, "a")
    assert job.status is Status.EXPIRED and job.error
    assert job.error.message == poll.NO_FILES != NOT_FETCHED


def test_another_word_between_begins_the_ten_minutes_anew(worker: LocalWorker) -> None:
    worker.post("a", given=submission_body(seconds=60))
    worker.work()
    worker.store.change("a", lambda job, now: job.with_polling(unclear_since=now - 6000))
    job = ask(worker, "a")
    assert job.status is Status.SUBMITTED and job.polling.unclear_since is None


@pytest.mark.parametrize("fault", ["404", "not_found"])
def test_what_its_own_host_forgot_is_lost_at_once(worker: LocalWorker, fault: Any) -> None:
    worker.post("a", given=submission_body(seconds=60, polling_url=True))
    worker.work()
    worker.sandbox.settings.poll_fault = 404 if fault == "404" else fault
    job = ask(worker, "a")
    assert job.status is Status.SUBMITTED, "right after the submission it is no final word"
    make_older(worker, "a", 3 * 3600)
    job = ask(worker, "a")
    assert job.status is Status.LOST and job.error
    assert job.error.message == poll.FORGOTTEN


def test_a_task_id_that_is_no_uuid_is_polled_no_longer(worker: LocalWorker, api: Any) -> None:
    worker.sandbox.settings.checks_ids = True
    api.put("/api/jobs/no-uuid", json={"model": "flux-2-pro"})
    job = ask(worker, "no-uuid")
    assert job.status is Status.LOST and job.error and "no UUID" in job.error.message
