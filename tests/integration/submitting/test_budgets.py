"""Budgets of API keys (I34): what is refused or waits, what is reserved and given back."""

from typing import Any

import pytest

from jobs.domain.budgets import Budget, Period
from jobs.domain.job import Job
from jobs.store.costs import budget_key
from jobs.store.keys import COSTS_PREFIX, PRICES_PREFIX
from tests.harness.visitor import csrf_token
from tests.harness.worker_environment import WorkerEnvironment

APP = {"x-key": "the-key-of-an-app"}
MODEL = "flux-2-pro"  # 3 credits
INPUT: dict[str, Any] = {"prompt": "a fox"}
BODY = {"model": MODEL, "input": INPUT}


@pytest.fixture
def worker_settings() -> dict[str, str]:
    app = f"app:{APP['x-key']}:submit:budget=9.5/hour:own:budget=100/month"
    return {"API_KEYS": f"a:admin-key-of-tests:admin,{app}", "MAX_ACTIVE": "24"}


@pytest.fixture
def priced(local_worker: WorkerEnvironment) -> WorkerEnvironment:
    """BFL has named the price of the model before."""
    local_worker.sandbox.set_default_switches(callback="never", seconds=0)
    local_worker.redis.hset(f"{PRICES_PREFIX}{MODEL}", "", 30_000)
    return local_worker


def submit(api: Any, model: str = MODEL, **more: Any) -> Any:
    given = INPUT | more.pop("input", {})
    return api.post("/api/jobs", json={"model": model, "input": given} | more, headers=APP)


def hour(api: Any) -> list[float]:
    """Credits that are spent, reserved and left of the smaller budget."""
    answer = api.get("/api/budget", headers=APP).json
    assert answer and answer["key"] == "app"
    found, month = answer["budgets"]
    assert (month["period"], found["period"]) == ("month", "hour")
    assert [month["spent"], month["reserved"]] == [found["spent"], found["reserved"]]
    return [found["spent"], found["reserved"], found["left"]]


def test_what_a_budget_has_no_room_for_is_refused(priced: WorkerEnvironment, api: Any) -> None:
    for n in range(3):
        assert submit(api).status_code == 202
        assert hour(api) == [0, 3 * (n + 1), 9.5 - 3 * (n + 1)]
    refused = submit(api)
    assert refused.status_code == 402 and int(refused.headers["Retry-After"]) <= 3600
    problem = refused.json
    named = [problem[name] for name in ("code", "budget", "spent")]
    assert named == ["over_budget", "9.5/hour", 0] and problem["resets_at"].endswith(":00:00.000Z")
    priced.work(4)
    assert hour(api) == [9, 0, 0.5] and priced.posts() == 3
    assert submit(api).status_code == 402
    assert api.get("/api/budget").json == {"key": "a", "budgets": []}
    assert api.post("/api/jobs", json=BODY).status_code == 202


def test_no_door_passes_a_budget(priced: WorkerEnvironment, api: Any) -> None:
    failing = submit(api, input={"sandbox": {"submit_status": 400}}).json["id"]
    priced.work()
    first = api.post(
        "/api/jobs",
        json=BODY,
        headers=APP | {"Idempotency-Key": "once"},
    )
    for _ in range(2):
        submit(api)
    again = api.post(
        "/api/jobs",
        json=BODY,
        headers=APP | {"Idempotency-Key": "once"},
    )
    assert again.json["id"] == first.json["id"]
    token = csrf_token(api.get("/login").text)
    api.post("/login", data={"csrf_token": token, "key": APP["x-key"]})
    form = {
        "csrf_token": csrf_token(api.get("/submit").text),
        "model": MODEL,
        "prompt": "a fox",
        "idempotency_key": "of-the-form",
    }
    bfl = api.post(f"/v1/{MODEL}", json={"prompt": "a fox"}, headers=APP)
    assert set(bfl.json) == {"message", "detail"} and "9.5/hour" in bfl.json["detail"]
    doors = {
        "/v1": bfl,
        "form": api.post("/submit", data=form),
        "repeat": api.post(f"/api/jobs/{failing}/repeats", headers=APP),
        "replay": api.post(f"/api/jobs/{failing}/rescues"),
        "another key": api.post(
            "/api/jobs",
            json=BODY,
            headers=APP | {"Idempotency-Key": "twice"},
        ),
    }
    assert {name: answer.status_code for name, answer in doors.items()} == dict.fromkeys(doors, 402)
    assert hour(api) == [0, 9, 0.5] and priced.job(failing).status == "failed"


def test_what_was_not_billed_is_given_back(priced: WorkerEnvironment, api: Any) -> None:
    deleted = submit(api).json["id"]
    submit(api, input={"sandbox": {"submit_status": 400}})
    outcome = {"outcome": "request_moderated", "seconds": 0}
    moderated = submit(api, input={"sandbox": outcome}).json["id"]
    assert hour(api) == [0, 9, 0.5]
    assert api.delete(f"/api/jobs/{deleted}").status_code == 204
    assert hour(api) == [0, 6, 3.5]
    priced.work(2)
    assert hour(api) == [3, 0, 6.5]
    priced.services.store.change(moderated, Job.enqueue)
    priced.work()
    assert priced.job(moderated).status == "moderated" and hour(api) == [0, 0, 9.5]


def test_what_may_be_billed_at_a_price_that_nobody_names_counts_as_its_reserve(
    priced: WorkerEnvironment, api: Any
) -> None:
    unpriced = submit(api, input={"sandbox": {"priced": False}}).json["id"]
    priced.work()
    assert hour(api) == [0, 3, 6.5]
    assert api.delete(f"/api/jobs/{unpriced}").status_code == 204
    assert hour(api) == [3, 0, 6.5]
    day = priced.redis.keys(f"{COSTS_PREFIX}*")[0]
    assert priced.redis.hget(day, f"{MODEL}\tapp\tunpriced") == b"1"


def test_the_first_job_of_a_model_finds_out_its_price_alone(
    local_worker: WorkerEnvironment, api: Any
) -> None:
    local_worker.sandbox.set_default_switches(callback="never", seconds=0)
    first, second = submit(api), submit(api)
    assert (first.status_code, second.status_code) == (202, 402)
    assert second.json["code"] == "price_unknown" and second.headers["Retry-After"] == "5"
    assert submit(api, "flux-2-max").status_code == 202  # another model's price
    waits = submit(api, over_budget="wait").json["id"]
    assert hour(api) == [0, 0, 9.5]
    local_worker.work(2)
    assert hour(api) == [10, 0, 0]
    assert local_worker.next() is None and local_worker.job(waits).status == "queued"
    known = api.post("/api/jobs?dry_run=1", json=BODY, headers=APP)
    assert (known.status_code, known.json) == (200, {"price": 3, "known": True, "left": 0})
    dearest = {"model": MODEL, "input": {"prompt": "a", "input_image": "https://a.example/b.png"}}
    assert api.post("/api/jobs?dry_run=1", json=dearest, headers=APP).json["known"] is False
    wrong = api.post("/api/jobs?dry_run=1", json={"model": MODEL}, headers=APP)
    assert wrong.status_code == 422 and len(local_worker.sandbox.tasks()) == 2


def test_a_job_that_waits_for_its_budget_goes_when_there_is_room_and_blocks_no_other(
    priced: WorkerEnvironment, api: Any
) -> None:
    taken = [submit(api).json["id"] for _ in range(3)]
    waits = [submit(api, over_budget="wait") for _ in range(2)]
    assert {answer.status_code for answer in waits} == {202}
    event = next(one for one in waits[0].json["timeline"] if "over_budget" in one["event"])
    assert event["detail"]["budget"] == "9.5/hour"
    other = api.post("/api/jobs", json=BODY).json["id"]
    priced.redis.delete(*priced.redis.keys("rq:*"))  # nothing but the queue tells of them
    assert api.delete(f"/api/jobs/{taken[0]}").status_code == 204
    while priced.next():
        priced.work()
    states = [priced.job(job_id).status for job_id in (*taken[1:], other)]
    assert states == ["submitted"] * 3 and hour(api) == [9, 0, 0.5]
    assert [priced.job(one.json["id"]).status for one in waits] == ["submitted", "queued"]


def test_sums_are_of_the_period_in_utc() -> None:
    at = 1_709_210_096.0  # 2024-02-29T12:34:56Z, a Thursday
    names = [budget_key(period, at, "app").removeprefix("fluxkeep:budget:") for period in Period]
    assert names == [
        "hour:2024-02-29T12:app",
        "day:2024-02-29T00:app",
        "week:2024-02-26T00:app",
        "month:2024-02-01T00:app",
    ]
    ends = [period.ends_at(at) - at for period in Period]
    assert ends == [1504, 41104, 300304, 41104]
    assert str(Budget.parse("0.5/week")) == "0.5/week"
