"""Costs of jobs: per day, model and key, in agreement with the books of the sandbox."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.harness import Stack, running_stack
from tests.harness.patience import wait_for
from tests.harness.visitor import Visitor

NONE_UNKEPT = {"count": 0, "jobs": [], "without_price": 0}


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("costs")) as opened:
        yield opened


def credits_left(env: Stack) -> float:
    return float(env.client.get("/v1/credits").json()["credits"])


def costs(env: Stack) -> Any:
    answer = env.client.get("/api/costs", days=2)
    assert answer.status_code == 200, answer.text
    return answer.json()


def total(env: Stack) -> float:
    return sum(float(day["credits"]) for day in costs(env)["days"])


def test_the_costs_of_a_day_equal_what_bfl_charged(env: Stack) -> None:
    before = credits_left(env)
    for model in ("flux-2-pro", "flux-2-pro", "flux-2-max", "flux-2-klein-4b"):
        env.stored_job(env.posted(model))
    video = env.posted("flux-3-video", strict=False)  # quoted with null, settled at the end
    env.stored_job(video)
    refused = env.posted(submit_status=422)
    env.ended(refused)
    assert total(env) == pytest.approx(before - credits_left(env))
    booked = {cost["model"]: cost for day in costs(env)["days"] for cost in day["costs"]}
    assert booked["flux-2-pro"]["credits"] == 6 and booked["flux-2-pro"]["key"] == "submiter"
    assert booked["flux-3-video"]["credits"] == 50
    env.client.request("DELETE", f"/api/jobs/{video['id']}")
    assert total(env) == pytest.approx(before - credits_left(env))


def test_metrics_show_the_costs_of_today(env: Stack) -> None:
    env.stored_job(env.posted("flux-2-flex"))
    page = requests.get(f"{env.installation.url}/metrics", timeout=30).text
    assert 'fluxkeep_credits_today{key="submiter",model="flux-2-flex"} 5.0' in page
    assert "fluxkeep_paid_and_not_kept_jobs 0.0" in page


def test_a_paid_job_whose_media_expired_is_listed_until_it_is_deleted(env: Stack) -> None:
    task = env.generate(life=0.0, resign=False, cost_in_callback=True)
    env.announce(task)
    assert env.client.wait_for(task.id)["status"] == "expired"
    found = env.client.get("/api/costs").json()["paid_and_not_kept"]
    assert found == {"count": 1, "jobs": [task.id], "without_price": 0}
    env.client.request("DELETE", f"/api/jobs/{task.id}")
    assert env.client.get("/api/costs").json()["paid_and_not_kept"] == NONE_UNKEPT


def unpriced(env: Stack) -> dict[str, int]:
    found = [cost for day in costs(env)["days"] for cost in day["costs"]]
    return {one["model"]: one["jobs_without_price"] for one in found if one["jobs_without_price"]}


def test_jobs_without_a_price_are_counted_by_model(env: Stack) -> None:
    before = total(env)
    assert unpriced(env) == {}
    for _ in range(2):
        env.stored_job(env.posted("flux-kontext-max", priced=False))
    env.ended(env.posted("flux-kontext-max", priced=False, outcome="content_moderated"))
    env.stored_job(env.posted("flux-3-video", strict=False, priced=False))
    assert unpriced(env) == {"flux-kontext-max": 2, "flux-3-video": 1}
    assert total(env) == before
    visitor, text = Visitor(env.installation.url), "flux-kontext-max submiter · 2 without a price"
    wait_for("it is shown", lambda: text in visitor.text("/health"))  # a second old
