"""Extreme numbers and times in callbacks: every page and API view still responds."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.harness import KEYS
from tests.harness.visitor import Visitor
from tests.system.bad_input.target import TargetServer, new_id, web_alone

HUGE = 1.7976931348623157e308
NUMBERS = [HUGE, -HUGE, 5e-324, 10**400, True, "1", []]
EXPIRIES = ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00%2B14:00", "1969-12-31", "1e308"]
VIEWS = ["/api/jobs/{}", "/v1/get_result?id={}"]
PAGES = ["/jobs/{}", "/jobs/{}/replay", "/jobs/{}/delete", "/submit?job={}"]
LISTS = ["/api/jobs?limit=200", "/readyz", "/metrics"]
LIST_PAGES = ["/", "/?status=ready", "/health", "/submit", "/start", "/docs"]
URL = "https://delivery-eu1.bfl.ai/results/0/sample.jpeg?se={}&sp=r&sig=x"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetServer]:
    with web_alone(tmp_path_factory.mktemp("extremes")) as alone:
        yield alone


@pytest.fixture(scope="module")
def visitor(target: TargetServer) -> Visitor:
    return Visitor(target.installation.url)


def reports() -> Iterator[dict[str, Any]]:
    for number in NUMBERS:
        extreme = {"progress": number, "cost": number}
        yield {"status": "Pending", **extreme}
        result = {"sample": URL.format("2036-01-31T00:10:00Z"), "seed": number}
        yield {"status": "Ready", "result": result, **extreme}
    for expiry in EXPIRIES:
        yield {"status": "Ready", "result": {"sample": URL.format(expiry)}}


def test_what_is_out_of_all_bounds_is_shown(target: TargetServer, visitor: Visitor) -> None:
    """Send the reports, then open each page and view of their jobs and of all jobs."""
    jobs = {new_id(): report for report in reports()}
    for job_id, report in jobs.items():
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
