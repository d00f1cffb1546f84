"""BFL's submission API: request bodies and responses."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from jobs.bfl import parsing
from jobs.bfl.error_messages import error_message
from jobs.bfl.hosts import GLOBAL_HOST, HostPolicy
from jobs.bfl.model_names import explain_unknown_model
from jobs.bfl.prices import named_cost, number
from jobs.bfl.result_files import strip_signatures
from jobs.domain.bfl_report import ErrorCode, Failure, Report, SubmissionReceipt
from jobs.domain.errors import BadRequest, InvalidReport, UrlRefused
from jobs.domain.json_values import map_texts
from jobs.domain.status import Source
from jobs.net import lenient_json

URL_MAX_CHARS = 2083  # in BFL's OpenAPI
DETAILS_MAX_CHARS = 8192
_INVALID = ErrorCode.INVALID_INPUT
CODES = {400: _INVALID, 404: ErrorCode.UNKNOWN_MODEL, 422: _INVALID}
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


def without_webhook(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in WEBHOOK_FIELDS}


def parse_accepted(answer: bytes, host_policy: HostPolicy) -> SubmissionReceipt:
    """Parse a successful response. Raises InvalidReport if it names no task.

    BFL's OpenAPI allows a response without `polling_url`, and null in place of numbers.
    """
    message = lenient_json.load_object(answer, InvalidReport)
    result = message.get("result")
    cost_in_result = None
    if isinstance(result, dict):
        cost_in_result = result.get("cost")
    cost = named_cost(message.get("cost"), cost_in_result)
    input_megapixels = number(message.get("input_mp"))
    output_megapixels = number(message.get("output_mp"))
    return SubmissionReceipt(
        task_id=parsing.task_id(message),
        polling_url=_polling_url(message, host_policy),
        cost=cost.credits,
        unusable_cost=cost.unusable,
        megapixels=(input_megapixels, output_megapixels),
    )


def _polling_url(message: Mapping[str, Any], host_policy: HostPolicy) -> str | None:
    """The polling URL of an answer.

    None if it has none, or one that is not BFL's: then the submit host can be polled.
    """
    url = message.get("polling_url")
    if not isinstance(url, str) or len(url) > URL_MAX_CHARS:
        return None
    try:
        host_policy.validate_polling_url(url)
    except UrlRefused:
        return None
    return url


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


def is_webhook_rejected(answer: bytes) -> bool:
    """Whether only the webhook fields were rejected: strict models do not know them."""
    complaints = _complaints(object_or_empty(answer))
    if not complaints:
        return False
    return all(_is_about_webhook(complaint) for complaint in complaints)


def is_task_id_refused(answer: bytes) -> bool:
    """Whether BFL says that a task's id is no UUID (`Invalid UUID format`)."""
    return "uuid" in error_message(object_or_empty(answer)).lower()


def names_fields(status: int, answer: bytes) -> bool:
    """Whether BFL names a fault of an input: then it accepts the key and the path."""
    if status != HTTPStatus.UNPROCESSABLE_ENTITY:
        return False
    return isinstance(object_or_empty(answer).get("detail"), list)


def is_field_rejected(answer: bytes, name: str) -> bool:
    return name in error_message(object_or_empty(answer))


def with_nearest_model(failure: Failure, model: str, known_models: Iterable[str]) -> Failure:
    """The failure of a model that BFL does not have, with the name of one that it has."""
    if failure.code != ErrorCode.UNKNOWN_MODEL:
        return failure
    names = frozenset(known_models)
    explains_nothing = failure.message in (
        "Not Found",
        "Not found",
        _message_without_words(failure.http_status),
    )
    if model in names or not explains_nothing:
        return failure
    return replace(failure, message=explain_unknown_model(model, names))


def parse_rejection(status: int, answer: bytes) -> Failure:
    """Build the failure from BFL's rejection, without errors about our own fields."""
    message = object_or_empty(answer)
    complaints = [
        complaint for complaint in _complaints(message) if not _is_about_webhook(complaint)
    ]
    for complaint in complaints:
        if isinstance(complaint, dict):
            # FastAPI may repeat the body, with our webhook's secret.
            complaint.pop("input", None)
    if complaints:
        message = {**message, "detail": complaints}
    text = error_message(message)
    if not text:
        text = _message_without_words(status)
    details: dict[str, Any] = {"detail": text}
    if message and len(json.dumps(message)) <= DETAILS_MAX_CHARS:
        details = map_texts(message, strip_signatures, strip_signatures)
    code = CODES.get(status, ErrorCode.BFL_ERROR)
    return Failure(code, text, status, details)


def _message_without_words(status: int | None) -> str:
    """The message of a failure where BFL gives none."""
    return f"BFL answered {status}"


def object_or_empty(answer: bytes) -> dict[str, Any]:
    """The JSON object of an answer; an empty one if the answer is none."""
    try:
        return lenient_json.load_object(answer)
    except BadRequest:
        return {}


def _complaints(message: Mapping[str, Any]) -> list[Any]:
    """The invalid fields in FastAPI's answer: a list of objects, or one object alone."""
    detail = message.get("detail")
    if isinstance(detail, list):
        return detail
    if isinstance(detail, dict):
        return [detail]
    return []


def _is_about_webhook(complaint: Any) -> bool:
    """Check `loc`: a list such as ["body", "webhook_url"], or a text with dots."""
    if not isinstance(complaint, dict):
        return False
    location = complaint.get("loc")
    if isinstance(location, str):
        location = location.split(".")
    if not isinstance(location, list):
        return False
    return any(name in location for name in WEBHOOK_FIELDS)
