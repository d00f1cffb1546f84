"""BFL's submission API: request bodies and responses."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from jobs.bfl import parsing
from jobs.bfl.hosts import GLOBAL_HOST, HostPolicy
from jobs.bfl.model_names import explain_unknown_model
from jobs.bfl.result_files import strip_signatures
from jobs.domain.bfl_report import ErrorCode, Failure, Report, SubmissionReceipt
from jobs.domain.errors import BadRequest, InvalidReport, UrlRefused
from jobs.domain.media_references import map_texts
from jobs.domain.status import Source
from jobs.net import lenient_json

URL_MAX_CHARS = 2083  # in BFL's OpenAPI
DETAILS_MAX_CHARS = 8192
_INVALID = ErrorCode.INVALID_INPUT
CODES = {400: _INVALID, 404: ErrorCode.UNKNOWN_MODEL, 422: _INVALID}
KEY_REFUSED = "BFL refuses the API key"
# Refusals that may concern the account and not this job.
ACCOUNT_REASONS: dict[int, str] = {
    HTTPStatus.PAYMENT_REQUIRED: "BFL says that the credits are used up",
    HTTPStatus.UNAUTHORIZED: KEY_REFUSED,
    HTTPStatus.FORBIDDEN: KEY_REFUSED,
}
DASHBOARD = "https://dashboard.bfl.ai"
GET_STARTED = f"{DASHBOARD}/get-started"  # where somebody without a key gets one
# Recorded in 2026: 402 right after a video although 1,013 credits were left.
VIDEO_WAITS = "BFL has no room for another video until one has settled"
# A key belongs to a project with limits and permissions of its own.
PROJECT_REASON = (
    f"your BFL project's spending limit, or the key's permission, refuses it (see {DASHBOARD})"
)
VIDEO_OR_PROJECT = f"{VIDEO_WAITS}, or {PROJECT_REASON}"
# The address that BFL calls, and the secret that authenticates the call.
WEBHOOK_FIELDS = ("webhook_url", "webhook_secret")

# Paths of BFL's API whose answers have no task to wait for.
BFL_ONLY_PATHS = frozenset(
    {"finetune", "my_finetunes", "finetune_details", "delete_finetune", "licenses"}
)
NON_GENERATION_PATHS = BFL_ONLY_PATHS | {"get_result", "credits"}


def is_generation(model: str) -> bool:
    """Whether a path of BFL's API creates a task, by BFL's docs."""
    return model.partition("/")[0] not in NON_GENERATION_PATHS


def explain_no_generation(path: str) -> str:
    return f"{path} is no generation: send it to BFL itself, https://{GLOBAL_HOST}/v1/{path}"


def without_webhook(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in WEBHOOK_FIELDS}


def parse_accepted(answer: bytes, host_policy: HostPolicy) -> SubmissionReceipt:
    """Parse a successful response. Raises InvalidReport if it names no task.

    BFL's OpenAPI allows a response without `polling_url`, and null in place of numbers. Without a
    URL, or with one that is not BFL's, the submit host can be polled.
    """
    message = lenient_json.load_object(answer, InvalidReport)
    url = message.get("polling_url")
    polling_url = None
    if isinstance(url, str) and len(url) <= URL_MAX_CHARS:
        with suppress(UrlRefused):
            host_policy.validate_polling_url(url)
            polling_url = url
    result = message.get("result")
    cost = parsing.named_cost(
        message.get("cost"), result.get("cost") if isinstance(result, dict) else None
    )
    return SubmissionReceipt(
        task_id=parsing.task_id(message),
        polling_url=polling_url,
        cost=cost.credits,
        unusable_cost=cost.unusable,
        megapixels=(
            parsing.number(message.get("input_mp")),
            parsing.number(message.get("output_mp")),
        ),
    )


def final_report(answer: bytes, task_id: str) -> Report | None:
    """The report that stands in the answer to a submission, if its status is final."""
    message = lenient_json.load_object(answer, InvalidReport)
    if not parsing.is_final(message):
        return None
    return parsing.parse_report(message, task_id, Source.POLL)


def is_readable(answer: bytes) -> bool:
    """Whether an answer is a JSON object, whatever it says."""
    try:
        lenient_json.load_object(answer)
    except BadRequest:
        return False
    return True


def missing_task_failure(path: str) -> Failure:
    """Build the failure for a successful response that names no task."""
    message = f"BFL's answer names no task. Perhaps {explain_no_generation(path)}"
    return Failure(ErrorCode.NO_TASK, message, 400, {"detail": message})


def explain_account_refusal(
    status: int, answer: bytes, *, has_credits: bool, is_video: bool = False
) -> str:
    """Explain a refusal of the account; `has_credits`: they are ample, and the key is valid.

    What is in no ACCOUNT_REASONS is a 400 or 422 about the key.
    """
    reason = ACCOUNT_REASONS.get(status, KEY_REFUSED)
    if has_credits and status in (HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN):
        is_about_video = is_video and status == HTTPStatus.PAYMENT_REQUIRED
        reason = VIDEO_OR_PROJECT if is_about_video else PROJECT_REASON
    detail = parsing.error_message(_object(answer))
    return f"{reason}: {detail}" if detail else reason


def is_about_account(reason: str) -> bool:
    """Whether `explain_account_refusal` gave this reason."""
    return reason.startswith((PROJECT_REASON, VIDEO_OR_PROJECT, *ACCOUNT_REASONS.values()))


def is_video_waiting(reason: str) -> bool:
    """Whether a video waits for another one to settle: nothing is wrong with the account."""
    return reason.startswith(VIDEO_WAITS) and not reason.startswith(VIDEO_OR_PROJECT)


def explain_waiting_video(answer: bytes) -> str:
    detail = parsing.error_message(_object(answer))
    return f"{VIDEO_WAITS}: {detail}" if detail else VIDEO_WAITS


def is_webhook_rejected(answer: bytes) -> bool:
    """Whether only the webhook fields were rejected: strict models do not know them."""
    complaints = _complaints(_object(answer))
    return bool(complaints) and all(map(_is_about_webhook, complaints))


def is_task_id_refused(answer: bytes) -> bool:
    """Whether BFL says that a task's id is no UUID (`Invalid UUID format`)."""
    return "uuid" in parsing.error_message(_object(answer)).lower()


def names_fields(status: int, answer: bytes) -> bool:
    """Whether BFL names what is wrong with an input: key and path are right."""
    is_rejection = status == HTTPStatus.UNPROCESSABLE_ENTITY
    return is_rejection and isinstance(_object(answer).get("detail"), list)


def is_field_rejected(answer: bytes, name: str) -> bool:
    return name in parsing.error_message(_object(answer))


def with_nearest_model(failure: Failure, model: str, known_models: Iterable[str]) -> Failure:
    """The failure of a model that BFL does not have, with the name of one that it has."""
    names = frozenset(known_models)
    is_silent = failure.message in ("Not Found", "Not found", f"BFL answered {failure.http_status}")
    if failure.code != ErrorCode.UNKNOWN_MODEL or model in names or not is_silent:
        return failure
    return replace(failure, message=explain_unknown_model(model, names))


def parse_rejection(status: int, answer: bytes) -> Failure:
    """Build the failure from BFL's rejection, without errors about our own fields."""
    message = _object(answer)
    complaints = [one for one in _complaints(message) if not _is_about_webhook(one)]
    for one in complaints:
        if isinstance(one, dict):  # FastAPI may repeat the body, with our webhook's secret
            one.pop("input", None)
    if complaints:
        message = {**message, "detail": complaints}
    message_text = parsing.error_message(message) or f"BFL answered {status}"
    small = message and len(json.dumps(message)) <= DETAILS_MAX_CHARS
    plain = map_texts(message, strip_signatures, strip_signatures)
    details = plain if small else {"detail": message_text}
    return Failure(CODES.get(status, ErrorCode.BFL_ERROR), message_text, status, details)


def _object(answer: bytes) -> dict[str, Any]:
    try:
        return lenient_json.load_object(answer)
    except BadRequest:
        return {}


def _complaints(message: Mapping[str, Any]) -> list[Any]:
    detail = message.get("detail")
    return detail if isinstance(detail, list) else [detail] if isinstance(detail, dict) else []


def _is_about_webhook(complaint: Any) -> bool:
    """Check `loc`: a list such as ["body", "webhook_url"], or a text with dots."""
    where = complaint.get("loc") if isinstance(complaint, dict) else None
    names = where.split(".") if isinstance(where, str) else where
    return isinstance(names, list) and any(name in names for name in WEBHOOK_FIELDS)
