"""Answers of BFL that are not quite JSON: read as well as they can be, and silence otherwise."""

import time

import pytest
from flask.testing import FlaskClient

from jobs.domain.errors import BflUnavailable
from jobs.domain.status import Status
from jobs.domain.timeline import EventCode
from tests.harness.local_worker import LocalWorker, submission_body

READABLE = [
    *("gzip", "gzip_checksum", "deflate", "raw_deflate", "coding_of_plain", "byte_order_mark"),
    *("utf16", "latin1", "nan", "infinity", "huge_number", "twice", "raw_newline", "surrogate"),
    "nul_after",
]
UNREADABLE = ["cut", "html", "nothing", "list"]


@pytest.mark.parametrize("kind", READABLE)
def test_a_submission_whose_answer_can_be_read_is_accepted(worker: LocalWorker, kind: str) -> None:
    worker.post("a", given=submission_body(submit_json=kind, seconds=0))
    worker.work()
    job = worker.job("a")
    assert job.status is Status.SUBMITTED and not job.submission.unconfirmed
    assert job.task_id == worker.sandbox.tasks()[0].id


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_submission_whose_answer_cannot_be_read_is_unconfirmed(
    worker: LocalWorker, kind: str
) -> None:
    worker.post("a", given=submission_body(submit_json=kind, seconds=0))
    worker.work()
    job = worker.job("a")
    assert job.status is Status.SUBMITTED and job.submission.unconfirmed
    assert job.submission.slot, "BFL may be at work on it"
    event = job.timeline[-1]
    assert event.event is EventCode.SUBMISSION_UNCONFIRMED
    assert "its answer cannot be read" in event.detail["reason"]


@pytest.mark.parametrize("kind", UNREADABLE)
def test_answers_that_cannot_be_read_do_not_pause_the_model(worker: LocalWorker, kind: str) -> None:
    for name in ("a", "b", "c"):
        worker.post(name, given=submission_body(submit_json=kind, seconds=0))
    worker.work(3)
    assert [worker.job(name).status for name in ("a", "b", "c")] == [Status.SUBMITTED] * 3
    assert worker.circuits() == {}


def test_a_probe_whose_answer_cannot_be_read_ends_the_pause(worker: LocalWorker) -> None:
    worker.post("a", given=submission_body(submit_json="cut", seconds=0))
    worker.services.submission_queue.open_circuit("large", "an outage", 0.01)
    time.sleep(0.02)
    worker.work()
    assert worker.job("a").status is Status.SUBMITTED and worker.circuits() == {}


@pytest.mark.parametrize("kind", READABLE)
def test_a_poll_that_can_be_read_is_a_report(worker: LocalWorker, kind: str) -> None:
    task = worker.finished(poll_json=kind)
    worker.unclear(task)
    worker.work(2)
    assert worker.job(task).status is Status.STORED


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_poll_that_cannot_be_read_is_repeated(worker: LocalWorker, kind: str) -> None:
    task = worker.finished(poll_json=kind)
    worker.unclear(task)
    worker.work()
    job = worker.job(task)
    assert job.status is Status.SUBMITTED and job.polling.attempts == 1
    assert job.timeline[-1].event is EventCode.POLL_RETRIED


@pytest.mark.parametrize("kind", READABLE)
def test_credits_are_read_and_relayed_as_plain_json(
    worker: LocalWorker, api: FlaskClient, kind: str
) -> None:
    worker.sandbox.settings.change({"credits_json": kind, "credits": 42.0})
    assert worker.services.bfl.credits_left() == 42.0
    answer = api.get("/v1/credits")
    assert answer.status_code == 200 and answer.get_json()["credits"] == 42.0


def test_credits_that_cannot_be_read_are_unknown(worker: LocalWorker) -> None:
    worker.sandbox.settings.change({"credits_json": "cut"})
    with pytest.raises(BflUnavailable, match="has no credits"):
        worker.services.bfl.credits_left()
