"""Costs of jobs: per day, model and key, in agreement with the books of the sandbox."""

from typing import Any

import pytest

from tests.harness import Stack, wait_for
from tests.harness.visitor import Visitor

NONE_UNKEPT = {"count": 0, "jobs": [], "without_price": 0}


def credits_left(stack: Stack) -> float:
    return float(stack.client.get("/v1/credits").json()["credits"])


def costs(stack: Stack) -> Any:
    answer = stack.client.get("/api/costs", days=2)
    assert answer.status_code == 200, answer.text
    return answer.json()


def total(stack: Stack) -> float:
    return sum(float(day["credits"]) for day in costs(stack)["days"])


def test_the_costs_of_a_day_equal_what_bfl_charged(stack: Stack) -> None:
    before = credits_left(stack)
    for model in ("flux-2-pro", "flux-2-pro", "flux-2-max", "flux-2-klein-4b"):
        stack.stored_job(stack.posted(model))
    video = stack.posted("flux-3-video", strict=False)  # quoted with null, settled at the end
    stack.stored_job(video)
    refused = stack.posted(submit_status=422)
    stack.ended(refused)
    assert total(stack) == pytest.approx(before - credits_left(stack))
    booked = {cost["model"]: cost for day in costs(stack)["days"] for cost in day["costs"]}
    assert booked["flux-2-pro"]["credits"] == 6 and booked["flux-2-pro"]["key"] == "submiter"
    assert booked["flux-3-video"]["credits"] == 50
    stack.client.request("DELETE", f"/api/jobs/{video['id']}")
    assert total(stack) == pytest.approx(before - credits_left(stack))


def test_metrics_show_the_costs_of_today(stack: Stack) -> None:
    stack.stored_job(stack.posted("flux-2-flex"))
    page = stack.client.get("/metrics").text
    assert 'fluxkeep_credits_today{key="submiter",model="flux-2-flex"} 5.0' in page
    assert "fluxkeep_paid_and_not_kept_jobs 0.0" in page


def test_a_paid_job_whose_media_expired_is_listed_until_it_is_deleted(stack: Stack) -> None:
    task = stack.generate(life=0.0, resign=False, cost_in_callback=True)
    stack.announce(task)
    assert stack.client.wait_for(task.id)["status"] == "expired"
    found = stack.client.get("/api/costs").json()["paid_and_not_kept"]
    assert found == {"count": 1, "jobs": [task.id], "without_price": 0}
    stack.client.request("DELETE", f"/api/jobs/{task.id}")
    assert stack.client.get("/api/costs").json()["paid_and_not_kept"] == NONE_UNKEPT


def unpriced(stack: Stack) -> dict[str, int]:
    found = [cost for day in costs(stack)["days"] for cost in day["costs"]]
    return {one["model"]: one["jobs_without_price"] for one in found if one["jobs_without_price"]}


def test_jobs_without_a_price_are_counted_by_model(stack: Stack) -> None:
    before = total(stack)
    assert unpriced(stack) == {}
    for _ in range(2):
        stack.stored_job(stack.posted("flux-kontext-max", priced=False))
    stack.ended(stack.posted("flux-kontext-max", priced=False, outcome="content_moderated"))
    stack.stored_job(stack.posted("flux-3-video", strict=False, priced=False))
    assert unpriced(stack) == {"flux-kontext-max": 2, "flux-3-video": 1}
    assert total(stack) == before
    visitor, text = Visitor(stack.installation.url), "flux-kontext-max submiter · 2 without a price"
    wait_for("it is shown", lambda: text in visitor.text("/health"))  # a second old
