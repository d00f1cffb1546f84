"""BFL's dialect: every shape of callback and polling answer that is on record, in our words."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from json import dumps
from typing import Any

import pytest

from jobs.bfl import error_messages, parsing
from jobs.bfl.openapi_document import shipped_document
from jobs.domain.bfl_report import Failure, Moderation, Report, Stage
from jobs.domain.status import ReportKind, Source

ID = "b2f6c0de-0000-4000-8000-3a1b5c7d9e0f"
URL = (
    "https://delivery.eu2.bfl.ai/results/8e/3470338ce49379/0a/sample.jpeg"
    "?se=2026-08-15T19%3A22%3A20Z&sp=r&sv=2026-02-06&sr=b&rsct=image/jpeg&sig=a/b%2Bc%3D"
)
DIES_AT = datetime(2026, 8, 15, 19, 22, 20, tzinfo=UTC).timestamp()
RESULT = {"sample": URL, "prompt": "a cat", "seed": 42}


def parsed(message: dict[str, Any]) -> Report:
    return parsing.parse_callback(dumps(message).encode())


def polled(**answer: Any) -> Report:
    empty = {"id": ID, "status": "Pending", "result": None, "progress": None, "details": None}
    return parsing.parse_report({**empty, "preview": None, **answer}, ID, Source.POLL)


def now_era(status: str, result: Any = None, **more: Any) -> dict[str, Any]:
    """Since 2026-02: the same as a polling answer."""
    message = {"id": ID, "status": status, "result": result, "progress": None}
    return {**message, "details": None, "preview": None, **more}


def old_era(status: str, result: Any = None, **more: Any) -> dict[str, Any]:
    return {"task_id": ID, "status": status, "result": result, "progress": 0.5, **more}


def skills_era(status: str, **more: Any) -> dict[str, Any]:
    return {"id": ID, "status": status, "timestamp": "2026-08-15T19:12:20Z", **more}


@pytest.mark.parametrize(
    "message",
    [
        now_era("Ready", RESULT),
        now_era("Ready", RESULT, cost=3.0),
        old_era("SUCCESS", {**RESULT, "start_time": 1.5, "end_time": 2.5, "duration": 1.0}),
        skills_era("Ready", result=RESULT),
        now_era("ready", RESULT),
        now_era("rEaDy", RESULT),
        now_era("success", RESULT),
    ],
)
def test_ready_is_understood_in_every_era(message: dict[str, Any]) -> None:
    report = parsed(message)
    assert (report.task_id, report.kind, report.source) == (ID, ReportKind.READY, Source.CALLBACK)
    assert (report.urls, report.stated_expiry) == ((URL,), DIES_AT)
    assert report.result["prompt"] == "a cat" and report.result["seed"] == 42
    assert report.status_text == message["status"]
    assert (report.error, report.moderation) == (None, None)


@pytest.mark.parametrize("result", [None, {}, {"sample": None}, {"sample": ""}, {"seed": 1}, "x"])
def test_ready_without_anything_to_fetch_is_unclear(result: Any) -> None:
    report = parsed(now_era("Ready", result))
    assert (report.kind, report.urls, report.stated_expiry) == (ReportKind.UNCLEAR, (), None)


@pytest.fixture
def a_machine_in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("a_machine_in_tokyo")
@pytest.mark.parametrize(
    ("expiry", "dies_at"),
    [
        ("2026-08-15T19%3A22%3A20Z", DIES_AT),
        ("2026-08-15T19:22:20Z", DIES_AT),
        ("2026-08-15T19:22:20", DIES_AT),
        ("2026-08-15T21:22:20%2B02:00", DIES_AT),
        ("2026-08-15T19:22:20.000Z", DIES_AT),
        ("", None),
        ("soon", None),
        ("0", None),
        ("9999-99-99T99:99:99Z", None),
    ],
)
def test_the_url_says_when_it_dies(expiry: str, dies_at: float | None) -> None:
    url = f"https://delivery.bfl.ai/x?sp=r&se={expiry}&sig=a"
    assert parsed(now_era("Ready", {"sample": url})).stated_expiry == dies_at


def test_a_url_that_does_not_say_when_it_dies_is_no_obstacle() -> None:
    for url in ("https://delivery.bfl.ai/x", "https://[", "https://delivery.bfl.ai/?se", "\\"):
        assert parsed(now_era("Ready", {"sample": url})).urls == (url,)
    sooner = URL.replace("19%3A22%3A20", "19%3A22%3A19")
    assert parsed(now_era("Ready", {"samples": [URL, sooner]})).stated_expiry == DIES_AT - 1


@pytest.mark.parametrize(
    ("status", "stage"),
    [
        ("Request Moderated", "request"),
        ("request moderated", "request"),
        ("Content Moderated", "content"),
        ("GENERATED CONTENT MODERATED", "content"),
    ],
)
@pytest.mark.parametrize(
    ("details", "reasons"),
    [
        ({"Moderation Reasons": ["Violence", "Hate"]}, ("Violence", "Hate")),
        ({"Moderation Reasons": "Violence"}, ("Violence",)),
        ({"Moderation Reasons": None}, ()),
        ({"something else": 1}, ()),
        (["Violence", 3, None], ("Violence",)),
        ("Violence", ("Violence",)),
        (None, ()),
        (7, ()),
    ],
)
def test_a_refusal_names_its_stage_and_its_reasons(
    status: str, stage: Stage, details: Any, reasons: tuple[str, ...]
) -> None:
    for message in (now_era(status, details=details), old_era(status, details=details)):
        report = parsed(message)
        assert (report.kind, report.urls) == (ReportKind.MODERATED, ())
        assert report.moderation == Moderation(stage, reasons)


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        (now_era("Error"), Failure("bfl_error", "BFL reported an error")),
        (now_era("Error", details="out of memory"), Failure("bfl_error", "out of memory")),
        (now_era("Failed", details=["a", "b"]), Failure("bfl_error", "a; b")),
        (now_era("Error", details={"msg": "bad size"}), Failure("bfl_error", "bad size")),
        (
            now_era("Error", error="task_failed", details={"error": "no clip"}),
            Failure("task_failed", "no clip"),
        ),
        (
            now_era("No Card Generated"),
            Failure("bfl_error", "BFL reported an error: No Card Generated"),
        ),
        (old_era("FAILED", error="Task failed on GPU"), Failure("bfl_error", "Task failed on GPU")),
        (
            skills_era("Error", error="content_policy_violation", message="No."),
            Failure("content_policy_violation", "No."),
        ),
        (
            now_era("Error", detail=[{"loc": ["body", "width"], "msg": "too wide", "type": "v"}]),
            Failure("bfl_error", "body.width: too wide"),
        ),
    ],
)
def test_a_failure_says_why(message: dict[str, Any], failure: Failure) -> None:
    report = parsed(message)
    assert (report.kind, report.error) == (ReportKind.FAILED, failure)


def test_a_long_explanation_is_cut() -> None:
    report = parsed(now_era("Error", details="x" * 10_000))
    assert report.error is not None
    assert len(report.error.message) == error_messages.MESSAGE_MAX_CHARS


@pytest.mark.parametrize(
    "status",
    [
        *("Pending", "PENDING", "processing", "Reasoning", "Generating", "Task not found"),
        "Reticulating",
    ],
)
def test_a_word_that_is_not_final_is_progress(status: str) -> None:
    for message in (now_era(status), old_era(status), now_era(status, RESULT)):
        report = parsed(message)
        assert (report.kind, report.urls) == (ReportKind.PROGRESS, ())
        assert report.is_alive is (status != "Task not found")
    assert polled(status=status).is_alive is (status not in ("Task not found", "Reticulating"))


@pytest.mark.parametrize("status", [None, 7, True, ["Ready"], {"Ready": 1}, ""])
def test_a_status_that_is_no_word_decides_nothing(status: Any) -> None:
    for message in ({"id": ID, "status": status, "result": RESULT}, {"id": ID, "result": RESULT}):
        assert parsed(message).kind is ReportKind.PROGRESS
    assert not polled(status=status).is_alive


def test_polling_answers_are_read_by_the_same_rules() -> None:
    pending = polled(progress=0.4)
    found = (pending.kind, pending.source, pending.progress)
    assert found == (ReportKind.PROGRESS, Source.POLL, 0.4)
    flux_1 = polled(status="Ready", result={**RESULT, "start_time": 1.0, "duration": 2.0})
    flux_2 = polled(status="Ready", result={**RESULT, "start_time": 1.0})
    assert flux_1.urls == flux_2.urls == (URL,)
    assert polled(status="Failed").kind is ReportKind.FAILED
    assert polled(status="Request Moderated").kind is ReportKind.MODERATED


def test_every_status_of_bfls_document_is_known() -> None:
    words = shipped_document()["components"]["schemas"]["StatusResponse"]["enum"]
    assert "No Card Generated" in words
    for word in ("Task not found", "task not found", "TASK NOT FOUND"):
        assert parsing.is_not_found({"status": word})
    assert not parsing.is_not_found({"status": "Pending"}) and not parsing.is_not_found({})
    for word in words:
        report = polled(status=word, result=RESULT)
        is_final = report.kind is not ReportKind.PROGRESS
        assert is_final or report.is_alive or parsing.is_not_found({"status": word})


@pytest.mark.parametrize(
    ("given", "read"),
    [(0, 0.0), (0.25, 0.25), (1, 1.0), (1.5, 0.015), (250, 1.0), (1e308, 1.0), (-3, 0.0)],
)
def test_a_progress_above_one_is_a_percentage(given: float, read: float) -> None:
    assert parsed(now_era("processing", progress=given)).progress == read


@pytest.mark.parametrize(
    ("given", "read"), [(3, 3.0), (7.000000000000001, 7.000000000000001), (0, 0.0), (None, None)]
)
def test_the_cost_is_found_where_it_stands(given: Any, read: float | None) -> None:
    assert parsed(now_era("Ready", RESULT, cost=given)).cost == read
    assert parsed(now_era("Ready", {**RESULT, "cost": given})).cost == read
    for odd in (True, "dear", [3], {"a": 3}, 10**100, -1000, -0.01, 1e300, "nan", "-inf"):
        report = parsed(now_era("Pending", cost=odd))
        assert report.cost is None and report.unusable_cost == str(odd)[:40], "it is no price"
        report = parsed(now_era("Ready", {**RESULT, "cost": 3.5}, cost=odd))
        assert (report.cost, report.unusable_cost) == (3.5, None)
    for odd in (True, "3", [3], {"a": 3}, 10**400):
        assert parsed(now_era("Pending", progress=odd)).progress is None, "it is no number"
    for text in ("3", " 3.0 ", "3e0"):
        assert parsed(now_era("Ready", RESULT, cost=text)).cost == 3.0


def test_a_cost_of_null_hides_no_cost_in_the_result() -> None:
    assert parsed(now_era("Ready", {**RESULT, "cost": 4.75}, cost=None)).cost == 4.75


@pytest.mark.parametrize(
    ("ids", "read"),
    [
        ({"id": "new", "task_id": "old"}, "new"),
        ({"id": None, "task_id": "old"}, "old"),
        ({"id": "a" * 128}, "a" * 128),
    ],
)
def test_the_newer_name_of_the_id_wins_if_it_has_one(ids: dict[str, Any], read: str) -> None:
    assert parsed({**ids, "status": "Pending"}).task_id == read


@pytest.mark.parametrize(
    "text",
    ['{"id":"job", "status": ', '{"task_id" : "job"', '{"x":[1],\n"id"\t:\r\n"job"', '"id":5'],
)
def test_an_unproven_body_names_its_job_without_being_parsed(text: str) -> None:
    assert parsing.claimed_task_id(text.encode()) == ("job" if "job" in text else None)
