"""Authentic but unusual callbacks: 200, because a retry is pointless, and a readable record."""

import json
from typing import Any

import pytest

from tests.harness.installation import KEYS
from tests.system.bad_input.target import PROOF, TargetServer, failed, new_id, pending
from tests.system.bad_input.wire import Header, request

SAMPLE = "https://delivery-eu1.bfl.ai/results/a/sample.jpeg?se=2199-01-01T00%3A00%3A00Z&sig=a/b"
READY = {"status": "Ready", "result": {"sample": SAMPLE, "seed": 1}}
TIMELINE_MAX = 50


def _taken(server: TargetServer, **report: Any) -> dict[str, Any]:
    """The job after a report that must be accepted, the same alone and in the list."""
    body = json.dumps(report).encode()
    assert server.authentic(body).status == 200
    job = server.client.job(report.get("id") or report["task_id"])
    assert job["id"] in {shown["id"] for shown in server.client.jobs(limit=5)}
    return job


KINDS = (
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/plain; charset=utf-16",
    "application/json; charset=latin-1",
    "application/json; charset=does-not-exist",
    "application/octet-stream",
    "image/png",
    "nonsense",
    "",
    ";;;=",
    b"\xff/\xfe",
    "a" * 4000,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: repr(kind[:40]))
def test_the_content_type_is_of_no_concern(server: TargetServer, kind: str | bytes) -> None:
    body = pending(job_id := new_id())
    assert server.authentic(body, ("Content-Type", kind)).status == 200
    assert server.job(job_id)


UNCLEAR: dict[str, object] = {
    "no result": None,
    "an empty result": {},
    "a list for a result": [SAMPLE],
    "a string for a result": SAMPLE,
    "no sample": {"seed": 1},
    "null": {"sample": None},
    "empty": {"sample": ""},
    "a number": {"sample": 5},
    "an object without a URL": {"sample": {"seed": 1}},
    "an object with an empty URL": {"sample": {"url": ""}},
    "an empty list": {"samples": []},
    "an empty list in a list": {"samples": [[]]},
}


@pytest.mark.parametrize("result", UNCLEAR.values(), ids=UNCLEAR)
def test_ready_without_a_sample_waits_to_be_settled_by_asking(
    server: TargetServer, job_id: str, result: object
) -> None:
    assert _taken(server, id=job_id, status="Ready", result=result)["status"] == "submitted"
    assert b'"work_deadline":' in server.records()[f"fluxkeep:job:{job_id}".encode()]


@pytest.mark.parametrize(
    "report",
    [READY, {"status": "Error", "error": "x"}, {"status": "Content Moderated"}],
    ids=lambda report: report["status"],
)
def test_an_exact_duplicate_changes_nothing(server: TargetServer, report: dict[str, Any]) -> None:
    job_id = new_id()
    _taken(server, id=job_id, **report)
    before = server.records()
    for _ in range(4):
        _taken(server, id=job_id, **report)
    assert server.records() == before


LATE: dict[str, tuple[dict[str, Any], bytes]] = {
    "Pending after Ready": (READY, b'"status":"Pending","progress":0.1'),
    "Error after Ready": (READY, b'"status":"Error"'),
    "Moderated after Ready": (READY, b'"status":"Request Moderated"'),
    "Ready without a sample after Ready": (READY, b'"status":"Ready"'),
    "Ready after Error": ({"status": "Error"}, b'"status":"Ready","result":{"sample":"https://x"}'),
    "Pending after Error": ({"status": "Error"}, b'"status":"Pending"'),
    "Moderated after Error": ({"status": "Error"}, b'"status":"Content Moderated"'),
    "Error after Moderated": ({"status": "Content Moderated"}, b'"status":"Error"'),
}


@pytest.mark.parametrize(("first", "late"), LATE.values(), ids=LATE)
def test_an_outdated_report_changes_nothing(
    server: TargetServer, first: dict[str, Any], late: bytes
) -> None:
    job_id = new_id()
    _taken(server, id=job_id, **first)
    before = server.records()
    assert server.authentic(b'{"id":"%b",%b}' % (job_id.encode(), late)).status == 200
    assert server.records() == before


def test_a_body_with_two_different_ids_changes_one_job_only(server: TargetServer) -> None:
    one, other = server.expected_job(), server.expected_job()
    body = json.dumps({"id": one, "task_id": other, "status": "Error"}).encode()
    assert server.authentic(body).status == 200
    assert server.client.job(one)["status"] == "failed"
    assert server.client.job(other)["status"] == "submitted"


@pytest.mark.parametrize("job_id", ["a" * 128, "-", "_", "0", "con", "__proto__", "null", "-1-"])
def test_every_plain_identifier_is_an_id(server: TargetServer, job_id: str) -> None:
    assert _taken(server, id=job_id, status="Pending")["id"] == job_id


ODD: dict[str, dict[str, Any]] = {
    "an unknown status": {"status": "Levitating"},
    "a number for a status": {"status": 200},
    "a list for a status": {"status": ["Ready"]},
    "a status of 10,000 letters": {"status": "R" * 10_000},
    "markup in the status": {"status": "<b>Ready</b>"},
    "control characters in the status": {"status": "Ready\0\r\n\x1b[2J"},
    "a status like Ready": {"status": "R\u0435ady"},
    "progress as text": {"progress": "half"},
    "progress beyond 1": {"progress": 55},
    "progress below 0": {"progress": -1},
    "progress of 400 digits": {"progress": 10**400},
    "progress as true": {"progress": True},
    "cost as an object": {"cost": {"a": 1}},
    "cost near the end of floats": {"cost": 1.7e308},
    "cost below zero": {"cost": -5e-324},
    "unknown fields": {"webhook_id": 5, "meta": {"a": [1, {"b": None}]}},
    "fields of ours": {
        "state": "stored",
        "media": [{"key": "x"}],
        "fencing_token": 9,
        "version": 99,
    },
    "magic names": {"__class__": "x", "__proto__": {"a": 1}, "constructor": {}, "": 1},
    "a thousand fields": {f"field {n}": n for n in range(1000)},
}
RESULTS: dict[str, dict[str, Any]] = {
    "a 4000-digit seed": {"seed": 10**4000 - 1},
    "a NUL in the prompt": {"prompt": "a\0b"},
    "a long prompt": {"prompt": "p" * 50_000},
    "a prompt of emoji": {"prompt": "\U0001f680" * 1000},
    "a right-to-left prompt": {"prompt": "\u202e\u2066abc"},
    "a prompt of markup": {"prompt": "</script><img src=x onerror=alert(1)>"},
    "noncharacters": {"prompt": "\ufffe\uffff\U0010ffff"},
    "a thousand samples": {"samples": [f"{SAMPLE}{n}" for n in range(300)]},
    "the same sample a thousand times": {"samples": [SAMPLE] * 300},
    "an expiry in the year 1": {"sample": "https://x.test/?se=0001-01-01T00:00:00%2B23:59"},
    "an expiry in the year 9999": {"sample": "https://x.test/?se=9999-12-31T23:59:59-23:59"},
    "an expiry that is none": {"sample": "https://x.test/?se=tomorrow&se=2026"},
    "a URL that is malformed": {"sample": "https://[::1/?se=2030-01-01T00:00:00Z"},
    "times as text": {"start_time": "now", "duration": [1]},
}


@pytest.mark.parametrize("fields", ODD.values(), ids=ODD)
def test_odd_fields_are_taken_and_the_job_stays_readable(
    server: TargetServer, fields: dict[str, Any]
) -> None:
    assert (
        _taken(server, **{"id": new_id(), "status": "Pending", **fields})["status"] == "submitted"
    )


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_odd_results_are_taken_and_the_job_stays_readable(
    server: TargetServer, result: dict[str, Any]
) -> None:
    job = _taken(server, id=new_id(), status="Ready", result={"sample": SAMPLE} | result)
    assert job["status"] == "ready" and len(json.dumps(job)) < 100_000


def test_white_space_around_a_report_is_accepted(server: TargetServer) -> None:
    assert server.authentic(b" \r\n\t" + pending(new_id()) + b"\n\n").status == 200


def test_a_stream_of_progress_does_not_grow_a_job(server: TargetServer, job_id: str) -> None:
    for n in range(3 * TIMELINE_MAX):
        server.authentic(pending(job_id, progress=n / 1000, status=f"Step {n}"))
    job = server.client.job(job_id)
    assert job["status"] == "submitted" and len(job["timeline"]) <= TIMELINE_MAX
    assert job["timeline"][0]["event"] == "job.expected"


def test_a_callback_on_a_reused_connection_after_a_refused_one_is_taken(
    server: TargetServer,
) -> None:
    admin: Header = ("x-key", KEYS["admin"])
    assert server.exchange(request([admin], method="GET", target="/api/jobs")).status == 200
    assert server.call_back(failed(new_id())).status == 401
    assert server.call_back(failed(new_id()), PROOF).status == 200
