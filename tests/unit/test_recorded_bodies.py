"""Ten bodies of BFL as recorded up to November 2026 (ids and URLs replaced), each read rightly."""

import json
from typing import Any

import pytest

from jobs.bfl import account_refusals, parsing, submissions
from jobs.bfl.client import BflResponse
from jobs.bfl.hosts import HostPolicy
from jobs.domain.bfl_report import ErrorCode, Report, Role
from jobs.domain.status import ReportKind, Source

TASK = "b2f6c0de-0000-4000-8000-3a1b5c7d9e0f"
SAMPLE = "https://delivery.eu2.bfl.ai/results/ab/sample.mp4?sig=a"
DRAFT = "https://delivery.eu2.bfl.ai/results/ab/draft.bin?sig=b"
POLICY = HostPolicy()


def polled(body: dict[str, Any]) -> Report:
    return parsing.parse_report(body, TASK, Source.POLL)


def response(status: int, body: dict[str, Any]) -> BflResponse:
    return BflResponse(status, None, json.dumps(body).encode())


def test_1_a_submission_with_a_webhook_names_no_polling_url() -> None:
    body = {
        "id": TASK,
        "status": "Pending",
        "webhook_url": "https://keep.example/webhooks/bfl/token",
        "cost": 3.0,
        "input_mp": 0.0,
        "output_mp": 1.0,
    }
    receipt = submissions.parse_accepted(json.dumps(body).encode(), POLICY)
    assert (receipt.task_id, receipt.polling_url, receipt.cost) == (TASK, None, 3.0)
    assert receipt.megapixels == (0.0, 1.0)
    assert submissions.final_report(json.dumps(body).encode(), TASK) is None


def test_2_a_malformed_key_is_no_fault_of_the_input() -> None:
    answer = response(422, {"detail": "Invalid API key format"})
    assert answer.is_key_malformed and answer.is_key_refused
    reason = account_refusals.explain_account_refusal(422, answer.body, has_credits=True)
    assert reason == "BFL refuses the API key: Invalid API key format"
    assert account_refusals.is_about_account(reason)


def test_3_a_402_with_ample_credits_is_about_another_video() -> None:
    body = response(402, {"detail": "Insufficient credits"}).body
    waits = account_refusals.explain_waiting_video(body)
    assert account_refusals.is_video_waiting(waits) and not account_refusals.is_about_account(waits)
    reason = account_refusals.explain_account_refusal(402, body, has_credits=True, is_video=True)
    assert account_refusals.is_about_account(reason) and not account_refusals.is_video_waiting(
        reason
    )
    assert "used up" in account_refusals.explain_account_refusal(402, body, has_credits=False)


def test_4_a_host_that_does_not_know_the_task_gives_no_final_word() -> None:
    body = {
        "id": TASK,
        "status": "Task not found",
        "result": None,
        "progress": None,
        "details": None,
        "preview": None,
    }
    assert parsing.is_not_found(body) and not parsing.is_final(body)


def test_5_a_poll_that_is_answered_422_may_be_a_final_report() -> None:
    details = {"error": "Invalid or corrupted image input"}
    body = {"id": TASK, "status": "Error", "result": None, "details": details}
    assert parsing.is_final(body) and not response(422, body).is_key_refused
    report = polled(body)
    assert report.kind is ReportKind.FAILED and report.error
    assert report.error.message == "Invalid or corrupted image input"


def test_6_a_draft_has_two_files_and_a_price() -> None:
    result = {
        "sample": SAMPLE,
        "prompt": "p",
        "seed": 7,
        "start_time": 1.5,
        "draft_cache": DRAFT,
        "draft_caches": [DRAFT],
    }
    report = polled({"id": TASK, "status": "Ready", "result": result, "cost": 30.0})
    assert (report.urls, report.roles) == ((SAMPLE, DRAFT), (Role.SAMPLE, Role.DRAFT_CACHE))
    assert (report.cost, report.result["seed"]) == (30.0, 7)


COMPLAINT = {
    "type": "greater_than_equal",
    "loc": ["body", "t2v", "duration"],
    "msg": "Input should be greater than or equal to 5, or 'auto'",
    "input": -4,
    "ctx": {"ge": 5},
}


def test_7_a_complaint_about_a_field_ends_the_job_without_repeating_the_input() -> None:
    body = response(422, {"detail": [COMPLAINT]}).body
    assert not response(422, {"detail": [COMPLAINT]}).is_key_malformed
    assert not submissions.is_webhook_rejected(body) and submissions.names_fields(422, body)
    failure = submissions.parse_rejection(422, body)
    assert failure.code == ErrorCode.INVALID_INPUT
    assert failure.message.startswith("body.t2v.duration: Input should be greater")
    assert "input" not in failure.answer["detail"][0]
    behind_the_mode = {**COMPLAINT, "loc": ["body", "t2v", "webhook_url"]}
    assert submissions.is_webhook_rejected(response(422, {"detail": [behind_the_mode]}).body)


@pytest.mark.parametrize(
    "reason",
    ["Protected Content", "Derivative Works Filter", "Safety Filter", "Content Policy Violation"],
)
def test_8_reasons_of_moderation_stay_as_bfl_words_them(reason: str) -> None:
    details = {"Moderation Reasons": [reason]}
    body = {"id": TASK, "status": "Request Moderated", "result": None, "details": details}
    report = polled(body)
    assert report.moderation and report.moderation.stage == "request"
    assert report.moderation.reasons == (reason,)


@pytest.mark.parametrize(
    "more",
    [
        {"details": {"message": "blocked by safety filter"}},
        {"details": {"error": "blocked by safety filter"}},
        {"details": None, "message": "blocked by safety filter"},
        {"details": {}, "result": {"error": "blocked by safety filter"}},
        {"result": {"message": "blocked by safety filter"}},
        {"details": "blocked by safety filter"},
        {"details": ["blocked by safety filter"]},
        {"details": {"Moderation Reasons": "blocked by safety filter", "message": "no"}},
    ],
)
def test_9_reasons_are_found_wherever_they_stand(more: dict[str, Any]) -> None:
    report = polled({"id": TASK, "status": "Content Moderated", **more})
    assert report.kind is ReportKind.MODERATED and report.moderation
    assert report.moderation.reasons == ("blocked by safety filter",)


@pytest.mark.parametrize(
    "more",
    [
        {"result": {"error": "the image is corrupt"}},
        {"result": {"message": "the image is corrupt"}},
        {"result": None, "details": {"error": "the image is corrupt"}},
        {"details": {"message": "the image is corrupt"}},
        {"error": "generation_failed", "message": "the image is corrupt"},
        {"detail": "the image is corrupt"},
    ],
)
def test_9_messages_of_failures_are_found_wherever_they_stand(more: dict[str, Any]) -> None:
    report = polled({"id": TASK, "status": "Error", **more})
    assert report.kind is ReportKind.FAILED and report.error
    assert report.error.message == "the image is corrupt"


def test_10_a_finetune_that_is_not_ready_ends_the_job_in_bfls_words() -> None:
    answer = response(400, {"detail": "Finetune not found or not ready"})
    assert not answer.is_key_malformed
    failure = submissions.parse_rejection(400, answer.body)
    assert (failure.code, failure.http_status) == (ErrorCode.INVALID_INPUT, 400)
    assert failure.message == "Finetune not found or not ready"
    denied = response(404, {"detail": "Finetune not found or access denied"})
    failure = submissions.parse_rejection(404, denied.body)
    same = submissions.with_nearest_model(failure, "flux-2-klein-9b-finetuned-x", ["flux-2-pro"])
    assert same.message == "Finetune not found or access denied"
