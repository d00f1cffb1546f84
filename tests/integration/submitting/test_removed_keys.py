"""Keys that were removed from the settings: their jobs wait, and no other account pays (I36)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from jobs import views
from jobs.domain.job import Job
from jobs.domain.status import Status
from receiver.app import create_app
from receiver.checks import bfl
from receiver.checks.context import Context
from receiver.checks.result import Grade
from tests.harness.local_worker import KEY, LocalWorker
from tests.harness.parts import api_over
from tests.sandbox import Sandbox
from worker.sweep import sweep_job

ADMIN = "a:admin-key-of-tests:admin"
APP_KEY = "the-key-of-an-app"
APP = {"x-key": APP_KEY}
APP_BFL_KEY = "bfl-key-canary-of-the-app"
BODY = {"model": "flux-2-pro", "input": {"prompt": "a fox"}}

Restart = Callable[..., LocalWorker]


@pytest.fixture
def restart(redis: Redis, sandbox: Sandbox, tmp_path: Path) -> Restart:
    """Build a worker over the same Redis with other settings."""

    def restart(api_keys: str = f"{ADMIN},app:{APP_KEY}:submit", **settings: str) -> LocalWorker:
        return LocalWorker.over(redis, sandbox, tmp_path, API_KEYS=api_keys, **settings)

    return restart


@pytest.fixture
def with_account(restart: Restart, sandbox: Sandbox) -> LocalWorker:
    """The app has a BFL key of its own."""
    sandbox.set_default_switches(callback="never", seconds=60)
    return restart(BFL_API_KEY_APP=APP_BFL_KEY)


def submit(worker: LocalWorker, **headers: str) -> str:
    answer: Any = api_over(worker.services).post("/api/jobs", json=BODY, headers=headers or APP)
    assert answer.status_code == 202, answer.text
    return str(answer.json["id"])


def keys_sent(sandbox: Sandbox, method: str = "POST") -> set[str | None]:
    return {one.headers.get("x-key") for one in sandbox.requests if one.method == method}


def reasons(worker: LocalWorker, job_id: str) -> list[str]:
    return views.waiting_reasons(worker.services, worker.job(job_id))


def results(worker: LocalWorker) -> list[tuple[Grade, str]]:
    context = Context(worker.services.settings, worker.services)
    return [(one.grade, one.why) for one in bfl.check_submissions(context)]


def work_off(worker: LocalWorker) -> None:
    while worker.next():
        worker.work()


def test_a_queued_job_of_a_removed_bfl_key_waits_and_says_so(
    with_account: LocalWorker, restart: Restart, sandbox: Sandbox
) -> None:
    ours = submit(with_account)
    without = restart()
    theirs = submit(without, **{"x-key": "admin-key-of-tests"})
    work_off(without)
    sweep_job(without.services, ours)
    assert without.job(theirs).task_id and without.job(ours).status is Status.QUEUED
    assert keys_sent(sandbox) == {KEY}
    why = "BFL_API_KEY_APP is not set any more"
    assert why in reasons(without, ours)[0]
    view = views.job_view(without.services, without.job(ours))
    last = view["timeline"][-1]
    assert last["event"] == "submission.paused" and why in last["detail"]["reason"]
    assert results(without) == [(Grade.FAILED, f"1 job waits: {why}")]
    ready: Any = api_over(without.services).get("/readyz")
    assert ready.status_code == 503 and why in ready.json["checks"]["submissions"]
    again = restart(BFL_API_KEY_APP=APP_BFL_KEY)
    work_off(again)
    assert again.job(ours).task_id and keys_sent(sandbox) == {KEY, APP_BFL_KEY}
    assert results(again) == [(Grade.OK, "are not paused")]


def readiness_of_submissions(worker: LocalWorker, key: str) -> str:
    headers = {"x-key": key} if key else {}
    answer: Any = create_app(worker.services).test_client().get("/readyz", headers=headers)
    reason: str = answer.json["checks"]["submissions"]
    return reason


def assert_only_administrators_read_the_name(worker: LocalWorker) -> None:
    """The name of the setting has the name of the API key in it."""
    for key in ("", "no key", APP_KEY):
        reason = readiness_of_submissions(worker, key)
        assert "BFL_API_KEY_…" in reason, key
        assert "BFL_API_KEY_APP" not in reason, key
    assert "BFL_API_KEY_APP" in readiness_of_submissions(worker, ADMIN.split(":")[1])


def test_readyz_tells_no_stranger_whose_bfl_key_was_removed(
    with_account: LocalWorker, restart: Restart
) -> None:
    submit(with_account)
    assert_only_administrators_read_the_name(restart())


def test_readyz_tells_no_stranger_whose_job_cannot_be_polled(
    with_account: LocalWorker, restart: Restart
) -> None:
    submit(with_account)
    work_off(with_account)
    assert_only_administrators_read_the_name(restart())


def test_readyz_tells_no_stranger_whose_bfl_key_is_refused(
    with_account: LocalWorker, sandbox: Sandbox
) -> None:
    sandbox.set_default_switches(submit_status=401)
    submit(with_account)
    work_off(with_account)
    assert_only_administrators_read_the_name(with_account)


def test_a_job_at_bfl_whose_key_was_removed_is_polled_by_no_other_account(
    with_account: LocalWorker, restart: Restart, sandbox: Sandbox
) -> None:
    ours = submit(with_account)
    work_off(with_account)
    announced = "11111111-2222-4333-8444-555555555555"
    api_over(with_account.services).put(f"/api/jobs/{announced}", headers=APP)
    without = restart()
    for job_id in (ours, announced):
        without.store.change(job_id, Job.enqueue)
        without.work()
        answers = [
            event.detail["answer"]
            for event in without.job(job_id).timeline
            if event.event == "poll.retried"
        ]
        assert answers == ["BFL_API_KEY_APP is not set any more"]
    assert keys_sent(sandbox, "GET") == set()
    found = results(without)
    assert found[0] == (Grade.WARNING, "2 jobs at BFL cannot be polled: BFL_API_KEY_APP is not set")
    again = restart(BFL_API_KEY_APP=APP_BFL_KEY)
    again.store.change(ours, Job.enqueue)
    again.work()
    assert keys_sent(sandbox, "GET") == {APP_BFL_KEY}


def test_a_replay_waits_for_the_removed_key_too(
    with_account: LocalWorker, restart: Restart, sandbox: Sandbox
) -> None:
    sandbox.settings.submit_fault = 400
    ours = submit(with_account)
    work_off(with_account)
    assert with_account.job(ours).status is Status.FAILED
    sandbox.settings.submit_fault = None
    without = restart()
    replayed: Any = api_over(without.services).post(f"/api/jobs/{ours}/rescues")
    assert replayed.status_code == 202
    work_off(without)
    assert without.job(ours).status is Status.QUEUED
    assert keys_sent(sandbox) == {APP_BFL_KEY}


def test_jobs_of_a_removed_api_key_wait_and_block_no_others(
    restart: Restart, sandbox: Sandbox
) -> None:
    sandbox.set_default_switches(callback="never", seconds=60)
    before = restart(f"{ADMIN},app:{APP_KEY}:submit")
    ours = [submit(before) for _ in range(2)]
    renamed = restart(f"{ADMIN},app-2:{APP_KEY}:submit")
    theirs = submit(renamed, **{"x-key": "admin-key-of-tests"})
    work_off(renamed)
    assert renamed.job(theirs).task_id
    assert [renamed.job(job_id).status for job_id in ours] == [Status.QUEUED] * 2
    assert renamed.posts() == 1
    why = "its API key, app, is not in API_KEYS any more"
    assert [reasons(renamed, job_id) for job_id in ours] == [[why]] * 2
    assert renamed.job(ours[0]).timeline[-1].detail["reason"] == why
    (failure,) = results(renamed)
    assert failure == (
        Grade.FAILED,
        "2 jobs wait: the API key app is not in API_KEYS any more",
    )
    for key, is_named in (
        ("", False),
        (APP_KEY, False),
        ("no key", False),
        (ADMIN.split(":")[1], True),
    ):
        headers = {"x-key": key} if key else {}
        ready: Any = create_app(renamed.services).test_client().get("/readyz", headers=headers)
        assert ready.status_code == 503
        reason = ready.json["checks"]["submissions"]
        assert reason.startswith("2 jobs wait") and "API_KEYS" in reason
        assert ("the API key app " in reason) is is_named, key
    again = restart(f"{ADMIN},app:{APP_KEY}:submit")
    work_off(again)
    assert all(again.job(job_id).task_id for job_id in ours) and again.posts() == 3


def test_a_waiting_job_ends_after_a_week_and_says_why(
    with_account: LocalWorker, restart: Restart
) -> None:
    ours = submit(with_account)
    without = restart()
    without.store.change(ours, lambda job, now: job.evolve(deadline=now))
    sweep_job(without.services, ours)
    job = without.job(ours)
    assert job.error and job.error.code == "not_submitted"
    assert "BFL_API_KEY_APP is not set any more" in job.error.message


def test_two_names_of_one_bfl_key_are_one_account_whichever_is_removed(
    restart: Restart, sandbox: Sandbox
) -> None:
    sandbox.set_default_switches(callback="never", seconds=60)
    keys = f"{ADMIN},app:{APP_KEY}:submit,b:the-key-of-another:submit"
    both = restart(keys, BFL_API_KEY_APP=APP_BFL_KEY, BFL_API_KEY_B=APP_BFL_KEY)
    ours = submit(both, **{"x-key": "the-key-of-another"})
    assert both.job(ours).submission.bfl_key == "app"
    one = restart(keys, BFL_API_KEY_B=APP_BFL_KEY)
    sweep_job(one.services, ours)
    work_off(one)
    assert one.job(ours).task_id and keys_sent(sandbox) == {APP_BFL_KEY}


def test_a_bfl_key_that_became_that_of_all_still_pays(
    with_account: LocalWorker, restart: Restart, sandbox: Sandbox
) -> None:
    ours = submit(with_account)
    merged = restart(BFL_API_KEY=APP_BFL_KEY, BFL_API_KEY_APP=APP_BFL_KEY)
    work_off(merged)
    assert merged.job(ours).task_id and keys_sent(sandbox) == {APP_BFL_KEY}
