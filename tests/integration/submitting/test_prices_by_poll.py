"""Prices that only a poll tells: asked once after the callback, booked, counted, bounded."""

from typing import Any

import pytest

from jobs import ingest, sidecars
from jobs.domain import price_schedule
from jobs.domain.bfl_report import Moderation, Report, Role
from jobs.domain.job import Job
from jobs.domain.status import ReportKind, Source, Status
from jobs.store.metrics import Counter
from tests.harness.local_worker import LocalWorker, submission_body
from worker.periodic import price_polls

APP = {"x-key": "the-key-of-an-app"}
KONTEXT = "flux-kontext-pro"  # 4 credits, which no answer to a submission names


@pytest.fixture
def worker_settings() -> dict[str, str]:
    app = f"app:{APP['x-key']}:submit:budget=60/month"
    return {"API_KEYS": f"a:admin-key-of-tests:admin,{app}"}


def submit(worker: LocalWorker, api: Any, model: str = KONTEXT, **switches: Any) -> Job:
    """A job that BFL has accepted and is done with."""
    worker.sandbox.set_default_switches(callback="never", seconds=0)
    given: dict[str, Any] = {"prompt": "a fox"}
    if switches:
        given["sandbox"] = {"callback": "never", "seconds": 0, **switches}
    answer = api.post("/api/jobs", json={"model": model, "input": given}, headers=APP)
    worker.work()
    return worker.job(answer.json["id"])


def call_back(worker: LocalWorker, job: Job, cost: float | None = None) -> Job:
    """BFL calls with the sample, and a worker rescues it."""
    task = worker.sandbox.task(job.task_id or "")
    (url,) = worker.sandbox._engine.urls(task)  # noqa: SLF001
    report = Report(
        task_id=task.id,
        kind=ReportKind.READY,
        source=Source.CALLBACK,
        urls=(url,),
        roles=(Role.SAMPLE,),
        cost=cost,
    )
    ingest.apply_report(worker.store, report, worker.timeouts, job.id)
    worker.work()
    return worker.job(job.id)


def polls(worker: LocalWorker) -> int:
    asked = [seen for seen in worker.sandbox.requests if seen.path == "/v1/get_result"]
    return len(asked)


def make_due(worker: LocalWorker, job: Job, seconds_ago: float = 0.0) -> None:
    worker.store.change(
        job.id,
        lambda job, now: (
            job.with_polling(price_due_at=now - seconds_ago)
            if job.polling.price_due_at is not None
            else job
        ),
    )


def ask(worker: LocalWorker, job: Job) -> Job:
    make_due(worker, job)
    price_polls.run_batch(worker.services)
    return worker.job(job.id)


def counts(worker: LocalWorker) -> dict[str, int]:
    found = worker.services.metrics.totals().counts
    names = (Counter.PRICE_BY_CALLBACK, Counter.PRICE_BY_POLL, Counter.PRICE_NEVER)
    return {name.value.removeprefix("price_"): found.get(name, 0) for name in names}


def budget(api: Any) -> tuple[float, float]:
    found = api.get("/api/budget", headers=APP).json["budgets"][0]
    return found["spent"], found["reserved"]


@pytest.mark.parametrize("model", [KONTEXT, "flux-dev", "flux-pro-1.1"])
def test_a_price_that_no_callback_told_is_asked_once_and_booked(
    worker: LocalWorker, api: Any, model: str
) -> None:
    job = call_back(worker, submit(worker, api, model))
    assert (job.status, job.cost) == (Status.STORED, None)
    assert job.polling.price_due_at and polls(worker) == 0
    price_polls.run_batch(worker.services)
    assert polls(worker) == 0, "it is not due yet"
    asked = ask(worker, job)
    price = worker.sandbox.task(job.task_id or "").cost
    assert asked.cost == price and asked.status is Status.STORED
    assert asked.polling.price_due_at is None and asked.polling.polling_url is None
    assert budget(api) == (price, 0)
    assert worker.services.costs.days(1)[0]["credits"] == price
    assert counts(worker) == {"by_callback": 0, "by_poll": 1, "never": 0}
    restored = sidecars.read(worker.storage, asked.media[0].key)
    assert restored.cost == price
    before = polls(worker)
    assert ask(worker, asked) == asked and polls(worker) == before
    assert 'fluxkeep_prices_total{by="poll"} 1.0' in api.get("/metrics").text
    known = api.post(
        "/api/jobs?dry_run=1", json={"model": model, "input": {"prompt": "a"}}, headers=APP
    )
    assert known.json["known"] is True and known.json["price"] == price


def test_a_price_in_the_callback_is_not_asked_for(worker: LocalWorker, api: Any) -> None:
    job = call_back(worker, submit(worker, api), cost=4.0)
    assert job.cost == 4.0 and job.polling.price_due_at is None
    assert counts(worker) == {"by_callback": 1, "by_poll": 0, "never": 0}


def test_a_price_that_was_quoted_is_not_asked_for(worker: LocalWorker, api: Any) -> None:
    job = call_back(worker, submit(worker, api, "flux-2-pro"))
    assert job.cost == 3.0 and job.polling.price_due_at is None


def test_a_price_that_bfl_never_names_is_asked_for_once(worker: LocalWorker, api: Any) -> None:
    job = call_back(worker, submit(worker, api, priced=False))
    asked = ask(worker, job)
    assert asked.cost is None and asked.polling.price_due_at is None
    assert counts(worker) == {"by_callback": 0, "by_poll": 0, "never": 1}


@pytest.mark.parametrize("fault", [500, 503, 429, 403, "cut", "html"])
def test_a_host_that_does_not_answer_is_asked_three_times(
    worker: LocalWorker, api: Any, fault: Any
) -> None:
    job = call_back(worker, submit(worker, api))
    worker.sandbox.settings.poll_fault = fault
    for attempt in range(1, 4):
        asked = ask(worker, job)
        assert polls(worker) == attempt
        assert (asked.polling.price_due_at is None) == (attempt == price_schedule.ATTEMPTS_MAX)
    assert ask(worker, job).cost is None and polls(worker) == price_schedule.ATTEMPTS_MAX


def test_a_sweep_that_was_killed_while_it_asked_is_followed_by_another(
    worker: LocalWorker, api: Any
) -> None:
    job = call_back(worker, submit(worker, api))
    for attempt in range(1, 4):
        make_due(worker, job)
        claimed = worker.store.change(job.id, price_schedule.claim).after
        assert claimed and claimed.polling.price_attempts == attempt
        price_polls.run_batch(worker.services)
        assert polls(worker) == 0, "the claim of the first one has not run out"
    ended = ask(worker, job)
    assert ended.polling.price_due_at is None and polls(worker) == 0
    assert counts(worker)["never"] == 1


def test_rescues_and_polls_come_first(worker: LocalWorker, api: Any) -> None:
    job = call_back(worker, submit(worker, api))
    worker.post("busy", given=submission_body(seconds=60))
    worker.work()
    worker.store.change("busy", Job.enqueue)
    ask(worker, job)
    assert polls(worker) == 0
    make_due(worker, job, price_polls.BUSY_DELAY_SECONDS + 1)
    price_polls.run_batch(worker.services)
    assert polls(worker) == 1


@pytest.mark.parametrize(("stage", "quoted"), [("request", 0.0), ("content", 3.0)])
def test_a_poll_corrects_what_a_moderated_job_cost(
    worker: LocalWorker, api: Any, stage: Any, quoted: float
) -> None:
    job = submit(worker, api, "flux-2-pro", outcome=f"{stage}_moderated", named_cost=1.5)
    assert job.cost == 1.5
    worker.store.change(job.id, lambda job, _now: job.evolve(cost=3.0))
    report = Report(
        task_id=job.task_id or "",
        kind=ReportKind.MODERATED,
        source=Source.CALLBACK,
        moderation=Moderation(stage, ("Violence",)),
    )
    ingest.apply_report(worker.store, report, worker.timeouts, job.id)
    moderated = worker.job(job.id)
    assert (moderated.status, moderated.cost) == (Status.MODERATED, quoted)
    asked = ask(worker, moderated)
    assert (asked.status, asked.cost) == (Status.MODERATED, 1.5)
    assert budget(api) == (1.5, 0)


def test_a_deleted_job_is_not_asked_about(worker: LocalWorker, api: Any) -> None:
    job = call_back(worker, submit(worker, api))
    make_due(worker, job)
    assert api.delete(f"/api/jobs/{job.id}").status_code == 204
    price_polls.run_batch(worker.services)
    assert polls(worker) == 0 and not worker.redis.exists("fluxkeep:price_polls")


def test_a_job_of_a_removed_key_is_asked_about_by_no_other_account(
    worker: LocalWorker, api: Any
) -> None:
    job = call_back(worker, submit(worker, api))
    worker.store.change(job.id, lambda job, _now: job.with_submission(bfl_key="gone"))
    asked = ask(worker, job)
    assert polls(worker) == 0 and asked.polling.price_due_at is not None
