"""Texts of errors and refusals in BFL's answers, without the signatures of URLs."""

import json
import re
from collections.abc import Mapping
from typing import Any

from jobs.bfl.result_files import strip_signatures
from jobs.domain.bfl_report import ErrorCode, Failure
from jobs.domain.errors import InvalidJson
from jobs.net import lenient_json

MESSAGE_MAX_CHARS = 500
REASONS_MAX = 20
_CODE = re.compile(r"[a-z0-9_.-]{1,64}")
# "Invalid API key format" is recorded. A field of an input, such as `keyframes`, is not meant.
_ABOUT_THE_KEY = re.compile(
    r"\b(api|x|bfl|access)[ _-]?key\b"
    r"|\b(invalid|malformed|unknown|wrong|expired|revoked|missing|inactive)[ ]key\b"
    r"|\bkey[ ](format|is[ ](invalid|malformed|expired|not))\b"
    r"|\b(not|un)[ ]?authenticated\b|\binvalid authentication\b",
    re.IGNORECASE | re.ASCII,
)


def names_api_key(body: bytes) -> bool:
    """Whether the `detail` of an answer is a text about the API key, and no list of fields."""
    try:
        detail = lenient_json.load_object(body).get("detail")
    except InvalidJson:
        return False
    return isinstance(detail, str) and _ABOUT_THE_KEY.search(detail) is not None


def error_message(body: Any) -> str:
    """BFL's error message: the first member of a body that has a text; empty without one."""
    if not isinstance(body, dict):
        return ""
    for name in ("detail", "message", "details", "error"):
        message = _text(body.get(name))
        if message:
            return _plain(message)
    result = body.get("result")
    if isinstance(result, dict):  # where failures stood in earlier versions
        for name in ("error", "message"):
            message = _text(result.get(name))
            if message:
                return _plain(message)
    return ""


def failure(body: Mapping[str, Any], status: str) -> Failure:
    """Recorded failures have a code in `error` and a text in `message` or `details`."""
    code: str = ErrorCode.BFL_ERROR
    error = body.get("error")
    if isinstance(error, str) and _CODE.fullmatch(error):
        code = error
    message = _text(body.get("message"))
    if not message:
        message = error_message(body)
    message = _plain(message)
    if not message:
        message = "BFL reported an error"
        if status.lower() not in ("error", "failed"):
            message = f"{message}: {status}"
    return Failure(code, message)


def moderation_reasons(message: Mapping[str, Any]) -> tuple[str, ...]:
    """`{"Moderation Reasons": [...]}` in the docs; seen as a list, a string and null as well.

    Without reasons, the text that stands in their place is the reason.
    """
    details = message.get("details")
    listed_reasons = details
    if isinstance(details, dict):
        listed_reasons = _first_member_about_reasons(details)
    reasons = _texts(listed_reasons)
    if reasons:
        return reasons
    for holder in (details, message.get("result"), message):
        if not isinstance(holder, dict):
            continue
        for name in ("message", "error"):
            text = holder.get(name)
            if isinstance(text, str) and text:
                return _texts(text)
    return ()


def _first_member_about_reasons(details: Mapping[str, Any]) -> Any:
    for name, value in details.items():
        if "reason" in name.lower():
            return value
    return None


def _texts(value: Any) -> tuple[str, ...]:
    """The texts of a list, or one text alone; none of anything else."""
    if isinstance(value, str):
        return (_plain(value),)
    if not isinstance(value, list):
        return ()
    texts = [_plain(item) for item in value if isinstance(item, str)]
    return tuple(texts[:REASONS_MAX])


def _plain(text: str) -> str:
    return strip_signatures(text)[:MESSAGE_MAX_CHARS]


def _text(value: Any) -> str:
    """A text, the texts of a list, or the text of an object, as FastAPI writes its errors."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = [_text(item) for item in value]
        return "; ".join(text for text in texts if text)
    if isinstance(value, dict):
        return _text_of_object(value)
    return ""


def _text_of_object(value: Mapping[str, Any]) -> str:
    text = ""
    for name in ("msg", "message", "error", "detail"):
        text = _text(value.get(name))
        if text:
            break
    path = ""
    location = value.get("loc")
    if isinstance(location, list):
        path = ".".join(str(part) for part in location)
    if path:
        return f"{path}: {text}"
    if text:
        return text
    return json.dumps(value, ensure_ascii=False)
