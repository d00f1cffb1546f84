"""Authentic callbacks: 200 for unusual ones, as a retry is pointless, and 400 for broken ones."""

import json
from typing import Any

import pytest

from tests.system.bad_input.target import PROOF, TargetServer, new_id, pending, signed

ACCELERATORS = ("on", "off")
SAMPLE = "https://delivery-eu1.bfl.ai/results/a/sample.jpeg?se=2199-01-01T00%3A00%3A00Z&sig=a/b"
READY = {"status": "Ready", "result": {"sample": SAMPLE, "seed": 1}}


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
    "text/plain; charset=utf-16",
    "application/json; charset=does-not-exist",
    "",
    b"\xff/\xfe",
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: repr(kind[:40]))
def test_the_content_type_is_of_no_concern(server: TargetServer, kind: str | bytes) -> None:
    body = pending(job_id := new_id())
    assert server.authentic(body, ("Content-Type", kind)).status == 200
    assert server.job(job_id)


@pytest.mark.parametrize(
    "report", [READY, {"status": "Error", "error": "x"}], ids=["Ready", "Error"]
)
def test_an_exact_duplicate_changes_nothing(server: TargetServer, report: dict[str, Any]) -> None:
    job_id = new_id()
    _taken(server, id=job_id, **report)
    before = server.records()
    for _ in range(4):
        _taken(server, id=job_id, **report)
    assert server.records() == before  # byte for byte (I17)


@pytest.mark.parametrize("job_id", ["a" * 128, "-", "__proto__", "null"])
def test_every_plain_identifier_is_an_id(server: TargetServer, job_id: str) -> None:
    assert _taken(server, id=job_id, status="Pending")["id"] == job_id


# Malformed: 400, counted, nothing recorded.

UUID = "0b5a1c9e-7a70-4d0c-9a6f-0d3f0c1b2a3d"
# One of each kind that tests/unit/test_hostile_reports.py lists in full.
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "cut off": b'{"id":"%b","status":"Err' % UUID.encode(),
    "a list": b'[{"id":"%b","status":"Error"}]' % UUID.encode(),
    "no id": b'{"status":"Error"}',
    "a path for an id": b'{"id":"../../etc/passwd","status":"Error"}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_report_is_counted_and_not_recorded(server: TargetServer, body: bytes) -> None:
    for proof in (PROOF, signed(body)):
        counted, kept = server.counted(), server.records()
        answer = server.call_back(body, proof)
        assert answer.status == 400, answer
        assert answer.headers["content-type"] == "application/problem+json"
        assert json.loads(answer.body)["status"] == 400
        assert server.counted() == counted + 1
        assert server.records() == kept


# BFL's own word, oddly written: it is authentic, and can be understood.
ODD: dict[str, bytes] = {
    "invalid UTF-8": b'{"id":"ID","status":"Pending","note":"M\xfcnchen"}',
    "a byte order mark": b'\xef\xbb\xbf{"id":"ID","status":"Pending"}',
    "UTF-16": '{"id":"ID","status":"Pending"}'.encode("utf-16-le"),
    "NaN": b'{"id":"ID","status":"Pending","progress":NaN,"cost":Infinity}',
    "a status twice": b'{"status":"Error","id":"ID","status":"Pending"}',
    "a lone surrogate": b'{"id":"ID","status":"Pending","note":"\\ud800"}',
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_an_authentic_report_in_odd_json_is_recorded(server: TargetServer, body: bytes) -> None:
    for by_signature in (False, True):
        job_id = new_id()
        encoding = "utf-16-le" if b"\0" in body else "ascii"
        own = body.replace("ID".encode(encoding), job_id.encode(encoding))
        answer = server.call_back(own, signed(own) if by_signature else PROOF)
        assert answer.status == 200, answer
        assert server.client.job(job_id)["status"] == "submitted"
        unproven = server.call_back(own, signed(own + b" "))
        assert unproven.status == 401


def test_an_answer_to_a_broken_report_does_not_repeat_it(server: TargetServer) -> None:
    answer = server.authentic(b'{"id":"<script>alert(1)</script>"}')
    assert answer.status == 400 and "script" not in answer.everything
