"""A BFL key that is malformed: the account pauses and no job fails for it (422 with a text)."""

from typing import Any

import pytest

from jobs import delete_and_replay
from jobs.config.settings import load
from jobs.domain.job import Job
from jobs.domain.status import Status
from receiver import bfl_account
from receiver.checks import bfl
from receiver.checks import settings as settings_check
from receiver.checks.context import Context
from receiver.checks.result import Grade
from tests.harness.doctor_output import NEEDED
from tests.harness.local_worker import LocalWorker, submission_body

BODY = {"model": "flux-2-pro", "input": {"prompt": "a fox"}}
WORDS = "Invalid API key format"
texts = pytest.mark.parametrize(
    "text",
    [
        WORDS,
        "invalid api_key",
        "The x-key header is missing",
        "API key expired",
        "Key is not valid: malformed key",
        "Not authenticated - Invalid Authentication",
    ],
)


@pytest.fixture
def worker_settings() -> dict[str, str]:
    return {"BFL_API_KEY": "sk-of-somebody-else"}


@pytest.fixture
def malformed(worker: LocalWorker) -> LocalWorker:
    worker.sandbox.settings.key_start = "bfl_"
    return worker


def grades(worker: LocalWorker, check: Any) -> list[tuple[Grade, str]]:
    context = Context(worker.services.settings, worker.services)
    return [(one.grade, one.why) for one in check(context)]


def test_jobs_of_all_models_wait_and_go_on_with_a_good_key(malformed: LocalWorker) -> None:
    for job_id, model in (("a", "small"), ("b", "large")):
        malformed.post(job_id, model, submission_body())
    malformed.work(2)
    assert [malformed.job(name).status for name in "ab"] == [Status.QUEUED] * 2
    assert list(malformed.circuits()) == ["*"] and malformed.posts() == 1
    (failure,) = grades(malformed, bfl.check_submissions)
    assert failure[0] is Grade.FAILED
    assert WORDS in failure[1] and "(in BFL_API_KEY)" in failure[1]
    malformed.sandbox.settings.key_start = ""
    malformed.close_circuits()
    assert malformed.next() == "a", "the job that met the refusal goes first"
    malformed.work(2)
    assert all(malformed.job(name).task_id for name in "ab") and malformed.circuits() == {}


@texts
@pytest.mark.parametrize("status", [400, 422])
def test_a_text_about_the_key_is_no_fault_of_the_job(
    worker: LocalWorker, status: int, text: str
) -> None:
    worker.post("a", given=submission_body(submit_status=status, submit_detail=text))
    worker.work()
    job = worker.job("a")
    assert job.status is Status.QUEUED and job.submission.is_queued
    assert list(worker.circuits()) == ["*"]


@pytest.mark.parametrize(
    "text",
    [
        "Invalid keyframes: the first has no image",
        "Finetune not found or not ready",
        "Finetune not found or access denied",
        "Invalid finetune_id passed.",
        "prompt is too long",
    ],
)
def test_other_texts_are_about_the_job(worker: LocalWorker, text: str) -> None:
    worker.post("a", given=submission_body(submit_status=400, submit_detail=text))
    worker.work()
    job = worker.job("a")
    assert job.status is Status.FAILED and job.error and job.error.message == text
    assert worker.circuits() == {}


def test_a_drop_in_client_is_answered_as_for_a_refused_key(
    malformed: LocalWorker, api: Any
) -> None:
    answer = api.post("/v1/flux-2-pro", json={"prompt": "a fox"})
    assert answer.status_code == 200 and WORDS not in answer.text
    malformed.work()
    polled = api.get(f"/v1/get_result?id={answer.json['id']}").json
    assert polled["status"] == "Pending" and WORDS in polled["details"]["Waiting"][0]
    account = api.get("/v1/credits")
    assert account.status_code == 502 and "refuses the API key" in account.json["detail"]


def test_readiness_and_doctor_name_the_variable(malformed: LocalWorker, api: Any) -> None:
    api.post("/api/jobs", json=BODY)
    malformed.work()
    ready = api.get("/readyz")
    assert ready.status_code == 503
    assert "BFL_API_KEY" in ready.json["checks"]["submissions"]
    (account,) = grades(malformed, bfl.check_account)
    assert account == (Grade.FAILED, "BFL refuses the key in BFL_API_KEY")


@pytest.mark.parametrize(
    "worker_settings",
    [{"API_KEYS": "a:admin-key-of-tests:admin,b-c:key-123:submit", "BFL_API_KEY_B_C": "sk-1"}],
)
def test_the_variable_of_another_account_is_named(malformed: LocalWorker, api: Any) -> None:
    malformed.sandbox.settings.key_start = "bfl-"
    job_id = api.post("/api/jobs", json=BODY, headers={"x-key": "key-123"}).json["id"]
    malformed.work()
    assert malformed.job(job_id).submission.is_queued
    (failure,) = grades(malformed, bfl.check_submissions)
    assert "(in BFL_API_KEY_B_C)" in failure[1]
    reasons = bfl_account.ask_all(malformed.services.bfl_clients)
    assert reasons["b-c"].reason == "BFL refuses the key in BFL_API_KEY_B_C."
    assert reasons[None].credits


def test_the_pause_of_a_model_does_not_hide_that_the_key_is_refused(
    malformed: LocalWorker,
) -> None:
    malformed.sandbox.settings.strict = False
    malformed.sandbox.settings.key_start = ""
    malformed.post("video", "flux-3-video", submission_body(submit_status=402))
    malformed.work()
    malformed.sandbox.settings.key_start = "bfl_"
    malformed.post("image", "flux-2-pro", submission_body())
    malformed.work()
    assert sorted(malformed.circuits()) == ["*", "flux-3-video"]
    (failure,) = grades(malformed, bfl.check_submissions)
    assert "(in BFL_API_KEY)" in failure[1]


def test_the_pause_of_a_model_that_no_job_waits_for_is_no_failure(worker: LocalWorker) -> None:
    worker.sandbox.settings.strict = False
    worker.post("refused", "flux-3-video", submission_body(submit_status=402))
    worker.work()
    ((grade, _),) = grades(worker, bfl.check_submissions)
    assert grade is Grade.FAILED
    assert worker.services.submission_queue.slot_usage().waiting == 1
    delete_and_replay.cancel(worker.services, worker.job("refused"))
    worker.post("waits", "flux-2-pro", submission_body())
    ((grade, why),) = grades(worker, bfl.check_submissions)
    assert (grade, why) == (Grade.OK, "are not paused")


@pytest.mark.parametrize(
    "worker_settings",
    [{"API_KEYS": "a:admin-key-of-tests:admin,b-c:key-123:submit", "BFL_API_KEY_B_C": "sk-1"}],
)
def test_two_accounts_whose_keys_are_refused_are_both_named(
    malformed: LocalWorker, api: Any
) -> None:
    malformed.sandbox.settings.key_start = "none-begins-so"
    for key in ("admin-key-of-tests", "key-123"):
        api.post("/api/jobs", json=BODY, headers={"x-key": key})
    malformed.work(2)
    reasons = [why for _, why in grades(malformed, bfl.check_submissions)]
    assert len(reasons) == 2
    assert any("(in BFL_API_KEY)" in why for why in reasons)
    assert any("(in BFL_API_KEY_B_C)" in why for why in reasons)


def test_a_poll_that_is_refused_for_the_key_is_no_final_word(malformed: LocalWorker) -> None:
    malformed.sandbox.settings.key_start = ""
    malformed.post("a", given=submission_body(seconds=60))
    malformed.work()
    malformed.sandbox.settings.key_start = "bfl_"
    malformed.store.change("a", Job.enqueue)
    malformed.work()
    job = malformed.job("a")
    assert job.status is Status.SUBMITTED
    assert WORDS in job.timeline[-1].detail["answer"]


def test_doctor_tries_a_submission_that_makes_no_task(worker: LocalWorker) -> None:
    ((grade, why),) = grades(worker, bfl.check_account)
    assert grade is Grade.OK and "/v1/flux-2-pro takes submissions" in why
    assert worker.sandbox.tasks() == []
    worker.sandbox.publish(b'{"paths": {}, "components": {"schemas": {}}}')  # no model is left
    worker.sandbox.settings.any_model = False
    ((grade, why),) = grades(worker, bfl.check_account)
    assert grade is Grade.WARNING and "answered 404" in why


def test_a_key_that_looks_odd_is_warned_of_and_never_refused() -> None:
    odd = load(NEEDED | {"BFL_API_KEY": "sk-odd-canary", "PUBLIC_URL": "https://keep.example"})
    assert odd.odd_bfl_keys == ["BFL_API_KEY"]
    results = [one for one in settings_check.check(Context(odd)) if one.name == "BFL_API_KEY"]
    assert [one.grade for one in results] == [Grade.WARNING]
    assert "canary" not in results[0].why
    assert load(NEEDED | {"BFL_API_KEY": "bfl_good"}).odd_bfl_keys == []
