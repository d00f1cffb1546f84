"""Extreme numbers and times in callbacks: every page and API view still responds."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.harness.installation import KEYS
from tests.system.bad_input.target import TargetServer, new_id, web_alone
from tests.system.dashboard.visitor import Visitor

HUGE = 1.7976931348623157e308
NUMBERS = [HUGE, -HUGE, 1e308, 5e-324, -0.0, -1, 10**400, 2**63, 1e16, True, "1", None, [], {}]
EXPIRIES = [
    "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "1969-12-31",
    "0001-01-01T00:00:00%2B14:00", "1970-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "", "1e308",
]  # fmt: skip
VIEWS = ["/api/jobs/{}", "/v1/get_result?id={}"]
PAGES = ["/jobs/{}", "/jobs/{}/replay", "/jobs/{}/delete", "/submit?job={}"]
LISTS = ["/api/jobs?limit=200", "/readyz", "/metrics"]
LIST_PAGES = ["/", "/?view=list", "/?status=ready", "/health", "/submit", "/start", "/docs"]
URL = "https://delivery-eu1.bfl.ai/results/0/sample.jpeg?se={}&sp=r&sig=x"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetServer]:
    with web_alone(tmp_path_factory.mktemp("extremes")) as alone:
        yield alone


@pytest.fixture(scope="module")
def visitor(target: TargetServer) -> Visitor:
    return Visitor(target.installation.url)


def are_shown(target: TargetServer, visitor: Visitor, *reports: dict[str, Any]) -> None:
    """Send the reports, then open each page and view of their jobs and of all jobs."""
    jobs = [new_id() for _ in reports]
    for job_id, report in zip(jobs, reports, strict=True):
        answer = target.authentic(json.dumps({"id": job_id, **report}).encode())
        assert answer.status in (200, 400)
    pages = LIST_PAGES + [path.format(job_id) for path in PAGES for job_id in jobs]
    views = LISTS + [path.format(job_id) for path in VIEWS for job_id in jobs]
    url, headers = target.installation.url, {"x-key": KEYS["admin"]}
    found = [visitor.get(path) for path in pages]
    found += [requests.get(url + path, headers=headers, timeout=30) for path in views]
    for one in found:
        assert one.status_code in (200, 303, 404, 503), (one.url, one.text[-500:])
        assert one.status_code != 503 or one.url.endswith("/readyz")


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: str(number)[:20])
def test_a_number_out_of_all_bounds_is_shown(
    target: TargetServer, visitor: Visitor, number: Any
) -> None:
    sample = URL.format("2036-01-31T00:10:00Z")
    reports = [
        {"status": status, name: number, "result": {"sample": sample, name: number}}
        for status in ("Pending", "Ready", "Error")
        for name in ("progress", "cost", "seed")
    ]
    are_shown(target, visitor, *reports)


@pytest.mark.parametrize("expiry", EXPIRIES)
def test_an_expiry_out_of_all_bounds_is_shown(
    target: TargetServer, visitor: Visitor, expiry: str
) -> None:
    are_shown(target, visitor, {"status": "Ready", "result": {"sample": URL.format(expiry)}})
