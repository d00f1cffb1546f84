"""Budgets against what BFL bills: odd sizes, counts and prices never spend more than they allow."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobs import ingest
from jobs.bfl.price_classes import MEDIA
from jobs.domain.bfl_report import Report
from jobs.domain.job import Job
from jobs.domain.status import ReportKind, Source, Status
from jobs.store.redis.keys import PRICES_PREFIX
from tests.harness.local_worker import LocalWorker
from tests.harness.parts import api_over
from worker.periodic import unknown_prices
from worker.sweep import sweep_job

APP = {"x-key": "the-key-of-an-app"}
MODEL = "flux-2-pro"
LIMIT = 60.0


@pytest.fixture
def worker_settings() -> dict[str, str]:
    app = f"app:{APP['x-key']}:submit:budget={LIMIT:g}/month"
    return {"API_KEYS": f"a:admin-key-of-tests:admin,{app}", "MAX_ACTIVE": "100"}


@pytest.fixture
def lax(worker: LocalWorker) -> LocalWorker:
    """BFL reads bodies leniently, and has named the prices of a prompt, alone and with one image.

    A switch of the sandbox that is a text counts as an image.
    """
    worker.sandbox.settings.strict = False
    worker.sandbox.set_default_switches(callback="never", seconds=0)
    worker.redis.hset(f"{PRICES_PREFIX}{MODEL}", mapping={"": 30_000, MEDIA: 30_000})
    return worker


def submit(api: Any, model: str = MODEL, **given: Any) -> Any:
    body = {"model": model, "input": {"prompt": "a fox", **given}}
    return api.post("/api/jobs", json=body, headers=APP)


def budget(api: Any) -> dict[str, float]:
    found: dict[str, float] = api.get("/api/budget", headers=APP).json["budgets"][0]
    return found


def work_off(worker: LocalWorker) -> None:
    while worker.next():
        worker.work()


def billed(worker: LocalWorker) -> float:
    return sum(task.cost for task in worker.sandbox.tasks())


@pytest.mark.parametrize("side", ["2048", 2048.0, " 2048 ", "2048.0", 2048])
def test_no_way_to_write_a_size_is_cheaper(lax: LocalWorker, api: Any, side: Any) -> None:
    answers = [submit(api, width=side, height=side).status_code for _ in range(20)]
    assert answers.count(202) == 5  # of 12 credits
    assert budget(api)["reserved"] == LIMIT
    work_off(lax)
    assert billed(lax) == LIMIT == budget(api)["spent"]


def test_sizes_of_all_kinds_together_stay_within_the_budget(lax: LocalWorker, api: Any) -> None:
    sides = [1024, "2048", 4096.0, "1.5e3", None, True, "1_024", 3000, "3000"]
    for n in range(60):
        submit(api, width=sides[n % len(sides)], height=sides[n % 7])
        if n % 10 == 0:
            work_off(lax)
    work_off(lax)
    assert 0 < billed(lax) <= LIMIT


@pytest.mark.usefixtures("lax")
@pytest.mark.parametrize("count", [459, "459", 459.0])
def test_a_count_is_reserved_as_a_whole(api: Any, count: Any) -> None:
    refused = submit(api, number_of_generations=count)
    assert (refused.status_code, refused.json["code"]) == (402, "over_budget")
    assert "1377" in refused.json["detail"]
    assert submit(api, number_of_generations="4").status_code == 202
    assert budget(api)["reserved"] == LIMIT, "BFL has named no price for four"


def test_what_differs_in_kind_holds_what_is_left_until_its_price_is_known(
    lax: LocalWorker, api: Any
) -> None:
    media = {"input_image": "https://a.example/b.png", "input_image_2": "https://a.example/c.png"}
    assert submit(api, **media).status_code == 202
    assert budget(api)["left"] == 0
    for refused in (submit(api, **media), submit(api)):
        assert (refused.status_code, refused.json["code"]) == (402, "price_unknown")
    work_off(lax)
    assert [submit(api, **media).status_code for _ in range(2)] == [202, 202]


@pytest.mark.parametrize("cost", [-1000, -0.01, "-3", 1e300, "1e999", "dear", [3], {"a": 3}, True])
def test_a_price_that_is_none_changes_no_budget_and_is_said(
    lax: LocalWorker, api: Any, cost: Any
) -> None:
    job_id = submit(api, sandbox={"named_cost": cost, "cost_in_callback": True}).json["id"]
    work_off(lax)
    job = lax.job(job_id)
    assert job.task_id and job.cost is None
    accepted = [one.detail for one in job.timeline if one.event == "submission.accepted"]
    assert accepted[0]["unusable_cost"] == str(cost)
    assert budget(api)["reserved"] == 3 and budget(api)["left"] == LIMIT - 3


@pytest.mark.parametrize("cost", [3, 3.0, "3", " 3.0 "])
def test_a_price_in_a_text_is_a_price(lax: LocalWorker, api: Any, cost: Any) -> None:
    job_id = submit(api, sandbox={"named_cost": cost}).json["id"]
    work_off(lax)
    assert lax.job(job_id).cost == 3.0 and budget(api)["spent"] == 3


@pytest.mark.parametrize("odd", ["nan", "huge_number", "infinity"])
def test_numbers_that_json_does_not_have_leave_the_task_known(
    lax: LocalWorker, api: Any, odd: str
) -> None:
    job_id = submit(api, sandbox={"submit_json": odd}).json["id"]
    work_off(lax)
    assert lax.job(job_id).task_id


# Models whose price nobody has named.

FRESH = ["flux-dev", "flux-pro-1.1", "flux-kontext-pro", "flux-2-max"]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_model_that_nobody_priced_cannot_spend_more_than_the_budget(
    lax: LocalWorker, api: Any, status: int
) -> None:
    answers = []
    for n in range(6):
        switches = {"submit_false_error": status, "priced": False}
        answers.append(submit(api, FRESH[n % 4], sandbox=switches))
        lax.close_circuits()
        work_off(lax)
    accepted = [answer.json["id"] for answer in answers if answer.status_code == 202]
    assert len(accepted) == 1 and {answer.status_code for answer in answers[1:]} == {402}
    for _ in range(3):
        send_again(lax, accepted[0])
    assert len(lax.sandbox.tasks()) == 1 and budget(api)["left"] == 0
    (task,) = lax.sandbox.tasks()
    ready = call_back(lax, accepted[0], task.id)
    assert ready.cost is None and budget(api)["left"] == 0


@pytest.mark.parametrize("cost", [-1000, "1e999", {"a": 3}, [3], True, "NaN", 1e15])
def test_an_unusable_price_leaves_the_model_unknown(lax: LocalWorker, api: Any, cost: Any) -> None:
    first = submit(api, "flux-2-max", sandbox={"named_cost": cost}).json["id"]
    work_off(lax)
    assert lax.job(first).task_id and lax.job(first).cost is None
    for model in ("flux-2-max", MODEL):
        refused = submit(api, model)
        assert (refused.status_code, refused.json["code"]) == (402, "price_unknown")
    assert budget(api)["left"] == 0


def test_what_a_job_of_unknown_price_holds_is_given_back_when_the_price_is_known(
    lax: LocalWorker, api: Any
) -> None:
    live = submit(api, "flux-2-max", sandbox={"priced": False}).json["id"]
    work_off(lax)
    unknown_prices.settle_all(lax.services)
    assert budget(api)["reserved"] == LIMIT
    lax.redis.hset(f"{PRICES_PREFIX}flux-2-max", mapping={"": 70_000, MEDIA: 80_000})
    unknown_prices.settle_all(lax.services)
    assert budget(api)["reserved"] == 7
    assert lax.job(live).cost is None and submit(api).status_code == 202


def test_an_ended_job_of_unknown_price_counts_as_what_it_held_until_the_price_is_known(
    lax: LocalWorker, api: Any
) -> None:
    job_id = submit(api, "flux-2-max", sandbox={"priced": False}).json["id"]
    work_off(lax)
    lax.store.change(job_id, lambda job, now: job.ended(now, Status.EXPIRED))
    lax.store.change(
        job_id, lambda job, _now: job.with_lease(rescue_attempts=job.lease.rescue_attempts + 1)
    )
    unknown_prices.settle_all(lax.services)
    assert (budget(api)["spent"], budget(api)["left"]) == (LIMIT, 0)
    assert submit(api).json["code"] == "over_budget"
    lax.redis.hset(f"{PRICES_PREFIX}flux-2-max", mapping={"": 70_000, MEDIA: 80_000})
    unknown_prices.settle_all(lax.services)
    assert budget(api)["spent"] == 7
    version = lax.job(job_id).version
    unknown_prices.settle_all(lax.services)
    assert lax.job(job_id).version == version
    assert submit(api).status_code == 202


def test_many_at_once_of_unknown_prices_send_one(lax: LocalWorker, api: Any) -> None:
    def submit_one(n: int) -> int:
        status: int = submit(api_over(lax.services), FRESH[n % 4]).status_code
        return status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(submit_one, range(24)))
    assert (statuses.count(202), statuses.count(402)) == (1, 23)
    assert budget(api)["left"] == 0


# Tasks that BFL makes although it answers with an error.


def send_again(worker: LocalWorker, job_id: str) -> None:
    """No callback has come for long: the sweep has the job sent again, and a worker sends it."""
    worker.close_circuits()
    worker.store.change(job_id, lambda job, now: job.with_polling(next_check_at=now))
    sweep_job(worker.services, job_id)
    worker.close_circuits()
    work_off(worker)


def call_back(worker: LocalWorker, job_id: str, task_id: str, cost: float | None = None) -> Job:
    """BFL reports a task of a submission as ready."""
    report = Report(
        task_id=task_id,
        kind=ReportKind.READY,
        source=Source.CALLBACK,
        urls=(f"{worker.sandbox.url}/results/{task_id}/sample.jpeg",),
        roles=(),
        cost=cost,
    )
    return ingest.apply_report(worker.store, report, worker.timeouts, job_id)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_each_send_that_bfl_answers_with_an_error_keeps_its_reserve(
    lax: LocalWorker, api: Any, status: int
) -> None:
    job_id = submit(api, sandbox={"submit_false_error": status}).json["id"]
    work_off(lax)
    assert (billed(lax), budget(api)["left"]) == (3, LIMIT - 3)
    for sends in range(2, 6):
        send_again(lax, job_id)
        assert (billed(lax), budget(api)["left"]) == (3 * sends, LIMIT - 3 * sends)


def test_sends_that_bfl_may_have_taken_never_exceed_the_budget(lax: LocalWorker, api: Any) -> None:
    failing = {"submit_false_error": 503}
    ids = [submit(api, sandbox=failing).json["id"] for _ in range(7)]
    work_off(lax)
    for _ in range(12):
        for job_id in ids:
            send_again(lax, job_id)
    assert billed(lax) == LIMIT and budget(api)["left"] == 0
    job = lax.job(ids[0])
    events = [one.event for one in job.timeline]
    assert "submission.over_budget" in events and job.status is Status.QUEUED
    assert submit(api).status_code == 402


def test_a_job_that_fails_after_six_errors_keeps_all_its_reserves(
    lax: LocalWorker, api: Any
) -> None:
    job_id = submit(api, sandbox={"submit_false_error": 500}).json["id"]
    work_off(lax)
    for _ in range(6):
        send_again(lax, job_id)
    job = lax.job(job_id)
    assert (job.status, job.error and job.error.code) == (Status.FAILED, "bfl_unavailable")
    assert billed(lax) == budget(api)["spent"] == 21
    assert api.post(f"/api/jobs/{job_id}/rescues").status_code == 202
    assert (budget(api)["spent"], budget(api)["reserved"]) == (21, 3)


def test_a_callback_books_the_task_of_a_send_that_seemed_to_fail(
    lax: LocalWorker, api: Any
) -> None:
    job_id = submit(api, sandbox={"submit_false_error": 500, "submit_times": 1}).json["id"]
    work_off(lax)
    send_again(lax, job_id)
    hidden, accepted = (task.id for task in lax.sandbox.tasks())
    assert lax.job(job_id).task_id in (hidden, accepted)
    spent = budget(api)
    assert (spent["spent"], spent["reserved"], billed(lax)) == (6, 0, 6)
    first, second = {hidden, accepted} - {lax.job(job_id).task_id}, lax.job(job_id).task_id
    call_back(lax, job_id, second or "")
    noted = call_back(lax, job_id, first.pop())
    assert noted.task_id == second and len(noted.submission.duplicates) == 1
    assert budget(api)["spent"] == 6
    (today,) = lax.services.costs.days(1)
    assert today["credits"] == 6
    again = call_back(lax, job_id, noted.submission.duplicates[0])
    assert again.version == noted.version, "a duplicate callback changes nothing"


def test_the_first_task_that_is_ready_wins_and_both_are_booked(lax: LocalWorker, api: Any) -> None:
    job_id = submit(api, sandbox={"submit_false_error": 500, "submit_times": 1}).json["id"]
    work_off(lax)
    send_again(lax, job_id)
    accepted = lax.job(job_id).task_id
    hidden = next(task.id for task in lax.sandbox.tasks() if task.id != accepted)
    ready = call_back(lax, job_id, hidden, cost=3.0)
    assert (ready.task_id, ready.submission.duplicates) == (hidden, (accepted,))
    assert budget(api)["spent"] == 6 == lax.services.costs.days(1)[0]["credits"]


def test_what_bfl_refuses_to_begin_is_given_back_but_for_the_send_before(
    lax: LocalWorker, api: Any
) -> None:
    job_id = submit(api, sandbox={"submit_false_error": 500, "submit_times": 1}).json["id"]
    work_off(lax)
    lax.sandbox.settings.submit_fault = 400
    send_again(lax, job_id)
    assert lax.job(job_id).status is Status.FAILED
    assert (budget(api)["spent"], budget(api)["reserved"]) == (3, 0)
