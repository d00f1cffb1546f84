"""Authentic but malformed callbacks: 400, counted, nothing recorded."""

import json

import pytest

from tests.system.bad_input.target import PROOF, TargetServer, increase, signed

ACCELERATORS = ("on", "off")
UUID = "0b5a1c9e-7a70-4d0c-9a6f-0d3f0c1b2a3d"
# One of each kind that tests/unit/test_broken_reports.py lists in full.
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "cut off": b'{"id":"%b","status":"Error"' % UUID.encode(),
    "invalid UTF-8": b'{"id":"%b","status":"\xff"}' % UUID.encode(),
    "UTF-16": f'{{"id":"{UUID}","status":"Error"}}'.encode("utf-16"),
    "60,000 brackets": b"[" * 60_000,
    "a 60,000-digit integer": b'{"id":"%b","seed":%b}' % (UUID.encode(), b"9" * 60_000),
    "NaN": b'{"id":"%b","status":"Error","progress":NaN}' % UUID.encode(),
    "a lone surrogate": b'{"id":"%b","status":"\\ud800"}' % UUID.encode(),
    "a list": b"[]",
    "a name twice": b'{"id":"a","id":"b","status":"Error"}',
    "no id": b'{"status":"Error"}',
    "a path for an id": b'{"id":"../../etc/passwd","status":"Error"}',
    "a key of Redis for an id": b'{"task_id":"fluxkeep:job:x","status":"Error"}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_report_is_refused_counted_and_not_recorded(
    server: TargetServer, body: bytes
) -> None:
    for proof in (PROOF, signed(body)):
        counted, kept = server.counts(), server.records()
        answer = server.call_back(body, proof)
        assert answer.status == 400, answer
        assert answer.headers["content-type"] == "application/problem+json"
        assert json.loads(answer.body)["status"] == 400
        assert increase(counted, server.counts()) == 1
        assert server.records() == kept


def test_an_answer_to_a_broken_report_does_not_repeat_it(server: TargetServer) -> None:
    answer = server.authentic(b'{"id":"<script>alert(1)</script>"}')
    assert answer.status == 400 and "script" not in answer.everything
