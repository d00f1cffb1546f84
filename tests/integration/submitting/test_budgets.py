"""Budgets of API keys (I34): what is refused or waits, what is reserved and given back."""

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.bfl.price_classes import MEDIA
from jobs.domain import submission
from jobs.domain.budgets import Budget, Period
from jobs.domain.job import Job
from jobs.store.redis.keys import COSTS_PREFIX, PRICES_PREFIX
from tests.harness.agents import tool
from tests.harness.local_worker import LocalWorker
from tests.harness.notifications import NEW
from tests.harness.visitor import csrf_token
from tests.harness.webhook_receiver import Hook
from worker.notifications import budget_warnings

APP = {"x-key": "the-key-of-an-app"}
MODEL = "flux-2-pro"  # 3 credits
INPUT: dict[str, Any] = {"prompt": "a fox"}
BODY = {"model": MODEL, "input": INPUT}


@pytest.fixture
def hook() -> Iterator[Hook]:
    """NOTIFY_URL; its first answer is an error."""
    receiver = Hook(500)
    yield receiver
    receiver.close()


@pytest.fixture
def worker_settings(hook: Hook) -> dict[str, str]:
    app = f"app:{APP['x-key']}:submit:budget=9.5/hour:own:budget=100/month"
    notify = {"NOTIFY_URL": hook.url, "NOTIFY_SECRET": NEW}
    return {"API_KEYS": f"a:admin-key-of-tests:admin,{app}", "MAX_ACTIVE": "24", **notify}


@pytest.fixture
def priced(worker: LocalWorker) -> LocalWorker:
    """BFL has named the prices of the model before; a switch of the sandbox that is a text counts
    as an image."""
    worker.sandbox.set_default_switches(callback="never", seconds=0)
    worker.redis.hset(f"{PRICES_PREFIX}{MODEL}", mapping={"": 30_000, MEDIA: 30_000})
    return worker


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


def test_what_a_budget_has_no_room_for_is_refused(priced: LocalWorker, api: Any) -> None:
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


def test_no_door_passes_a_budget(priced: LocalWorker, api: Any) -> None:
    failing = submit(api, input={"sandbox": {"submit_status": 400}}).json["id"]
    priced.work()
    first = api.post("/api/jobs", json=BODY, headers=APP | {"Idempotency-Key": "once"})
    for _ in range(2):
        submit(api)
    again = api.post("/api/jobs", json=BODY, headers=APP | {"Idempotency-Key": "once"})
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
        "replay": api.post(f"/api/jobs/{failing}/replays"),
        "another key": api.post("/api/jobs", json=BODY, headers=APP | {"Idempotency-Key": "twice"}),
    }
    assert {name: answer.status_code for name, answer in doors.items()} == dict.fromkeys(doors, 402)
    assert hour(api) == [0, 9, 0.5] and priced.job(failing).status == "failed"


def test_what_was_not_billed_is_given_back(priced: LocalWorker, api: Any) -> None:
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


def test_an_unpriced_job_counts_as_its_reserve(priced: LocalWorker, api: Any) -> None:
    unpriced = submit(api, input={"sandbox": {"priced": False}}).json["id"]
    priced.work()
    assert hour(api) == [0, 3, 6.5]
    assert api.delete(f"/api/jobs/{unpriced}").status_code == 204
    assert hour(api) == [3, 0, 6.5]
    day = priced.redis.keys(f"{COSTS_PREFIX}*")[0]
    assert priced.redis.hget(day, f"{MODEL}\tapp\tunpriced") == b"1"


def test_a_lost_submission_counts_beside_its_replay(priced: LocalWorker, api: Any) -> None:
    job_id = submit(api, input={"sandbox": {"submit_cut": True}}).json["id"]
    timeouts = priced.services.settings.timeouts
    for n in (1, 2):
        priced.work()
        priced.queue.close_circuits([MODEL])
        priced.services.store.change(
            job_id, lambda job, now: submission.recheck(job.evolve(deadline=now), now, timeouts)
        )
        assert priced.job(job_id).status == "lost" and hour(api) == [3 * n, 0, 9.5 - 3 * n]
        assert api.post(f"/api/jobs/{job_id}/replays").status_code == 202
        assert hour(api) == [3 * n, 3, 6.5 - 3 * n]


def test_a_job_of_unknown_price_holds_what_is_left_until_bfl_names_it(
    worker: LocalWorker, api: Any
) -> None:
    worker.sandbox.set_default_switches(callback="never", seconds=0)
    first, second = submit(api), submit(api)
    assert (first.status_code, second.status_code) == (202, 402)
    assert second.json["code"] == "price_unknown" and second.headers["Retry-After"] == "5"
    assert second.json["resets_at"] and "holds what was left" in second.json["detail"]
    assert submit(api, "flux-2-max").json["code"] == "price_unknown"  # another model's price
    waits = submit(api, "flux-2-max", over_budget="wait").json["id"]
    assert hour(api) == [0, 9.5, 0]
    worker.work()
    assert hour(api) == [3, 0, 6.5]
    assert submit(api).status_code == 202 and hour(api) == [3, 3, 3.5]
    worker.work(2)
    assert worker.job(waits).status == "submitted" and hour(api)[:2] == [13, 0]
    assert worker.next() is None and len(worker.sandbox.tasks()) == 3


def test_a_dry_run_tells_the_price_that_is_known(priced: LocalWorker, api: Any) -> None:
    elsewhere = BODY | {"input": {"prompt": "a", "draft_cache": {"job": "none"}}}
    assert api.post("/api/jobs?dry_run=1", json=elsewhere, headers=APP).status_code == 422
    known = api.post("/api/jobs?dry_run=1", json=BODY, headers=APP)
    assert (known.status_code, known.json) == (
        200,
        {"price": 3, "known": True, "left": 9.5, "problems": [], "warnings": []},
    )
    dearest = {"model": MODEL, "input": {"prompt": "a", "input_image": "https://a.example/b.png"}}
    assert api.post("/api/jobs?dry_run=1", json=dearest, headers=APP).json["known"] is False
    wrong = api.post("/api/jobs?dry_run=1", json={"model": MODEL}, headers=APP)
    assert wrong.status_code == 422 and not priced.sandbox.tasks()


def test_a_price_that_has_ended_leaves_what_was_reserved(priced: LocalWorker, api: Any) -> None:
    """Prices are kept for a year. A job's reserve is part of its record, and outlives them."""
    assert submit(api).status_code == 202
    priced.redis.delete(f"{PRICES_PREFIX}{MODEL}")
    assert hour(api) == [0, 3, 6.5]
    assert submit(api).status_code == 202  # the one that finds out the price
    refused = submit(api)
    assert (refused.status_code, refused.json["code"]) == (402, "price_unknown")
    priced.work(2)
    assert hour(api)[:2] == [6, 0]


def test_a_job_that_waits_for_its_budget_goes_when_there_is_room_and_blocks_no_other(
    priced: LocalWorker, api: Any
) -> None:
    taken = [submit(api).json["id"] for _ in range(3)]
    waits = [submit(api, over_budget="wait") for _ in range(2)]
    asked = tool("generate", prompt="a fox", over_budget="wait", wait=0)
    agent = api.post("/mcp", json=asked, headers=APP).json["result"]["structuredContent"]
    event = next(one for one in waits[0].json["timeline"] if "over_budget" in one["event"])
    assert (agent["status"], event["detail"]["budget"]) == ("queued", "9.5/hour")
    other = api.post("/api/jobs", json=BODY).json["id"]
    priced.redis.delete(*priced.redis.keys("rq:*"))  # nothing but the queue tells of them
    assert api.delete(f"/api/jobs/{taken[0]}").status_code == 204
    while priced.next():
        priced.work()
    states = [priced.job(job_id).status for job_id in (*taken[1:], other)]
    assert states == ["submitted"] * 3 and hour(api) == [9, 0, 0.5]
    waited, waiting = (priced.job(one.json["id"]) for one in waits)
    assert (waited.status, waiting.status) == ("submitted", "queued")
    assert waiting.submission.reserve == 3.0, "it goes by its own price"
    object.__setattr__(priced.services.store._room, "awaiting", 1)  # noqa: SLF001
    assert submit(api, over_budget="wait").json["code"] == "queue_full"
    priced.redis.hset(f"{PRICES_PREFIX}{MODEL}", "", 96_000)
    assert "more than all of it" in submit(api).json["detail"]
    never = submit(api, over_budget="wait").json
    assert (never["status"], never["error"]["code"]) == ("failed", "not_submitted")


def test_sums_come_back_after_a_loss_of_redis(priced: LocalWorker, api: Any) -> None:
    """By `repair` from records, which it restores from sidecars before; never twice."""
    for _ in range(2):
        submit(api)
    priced.work(2)
    submit(api)
    before, day = hour(api), priced.redis.keys(f"{COSTS_PREFIX}*")[0]
    costs = priced.redis.hgetall(day)
    priced.redis.delete(*priced.redis.keys("fluxkeep:budget:*"), day)
    assert hour(api) == [0, 0, 9.5]
    restore, now = priced.services.daily_costs.restore, priced.store.now()
    assert restore(now, dry_run=True) > 0 and hour(api) == [0, 0, 9.5]
    assert restore(now) > 0
    assert (hour(api), priced.redis.hgetall(day)) == (before, costs)
    assert all(priced.redis.ttl(key) > 0 for key in (day, *priced.redis.keys("fluxkeep:budget:*")))
    assert restore(now) == 0


def test_a_budget_is_warned_of_once_at_80_percent_and_once_when_a_job_is_refused(
    priced: LocalWorker, api: Any, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(4):
        submit(api)
        budget_warnings.check(priced.services)
        budget_warnings.check(priced.services)
        for key in priced.redis.keys("fluxkeep:budget:*"):
            for field, value in priced.redis.hgetall(key).items():
                if field.startswith(b"warned") and value != b"done":  # a minute later
                    priced.redis.hset(key, field, "1")
        budget_warnings.check(priced.services)
    told = [(one.payload["type"], one.payload["data"]["used_percent"]) for one in hook.calls]
    assert told == [("budget.used", 80), ("budget.used", 80), ("budget.used", 100)]
    assert hook.calls[0].id == hook.calls[1].id != hook.calls[2].id
    assert hook.calls[2].payload["data"]["key"] == "app"
    warned = [one.message for one in caplog.records if "the budget of app" in one.message]
    assert ["80 %" in line for line in warned] == [True, False] and "no room" in warned[1]
    text = api.get("/metrics").text
    assert 'fluxkeep_budget_left{budget="9.5/hour",key="app"} 0.5' in text
    assert 'fluxkeep_credits_left{key=""}' in text
    api.post("/login", data={"csrf_token": csrf_token(api.get("/login").text), "key": APP["x-key"]})
    assert "9.5 a hour" in api.get("/health").text
    for limit in (90.0, 10.0, 10.0):  # the budget is changed
        priced.services.budgets.by_key = {"app": (Budget(limit, Period.HOUR),)}
        budget_warnings.check(priced.services)
    assert [one.payload["data"]["limit"] for one in hook.calls[3:]] == [10.0]
