"""Values of BFL's fields as the texts that a visitor types or chooses."""

import re
from typing import Any

from jobs.bfl.model_schemas import InputField, Kind
from jobs.domain.errors import BadRequest
from jobs.net import strict_json

_INTEGER = re.compile(r"-?[0-9]{1,40}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?", re.ASCII)
_DRAFT = re.compile(r"(?P<job_id>[A-Za-z0-9_-]{1,128})(?: (?P<position>[0-9]{1,3}))?", re.ASCII)


def parse_text(text: str, field: InputField) -> Any:
    """The value of what was typed or chosen. Raises ValueError with a sentence for people."""
    for choice in field.choices:
        if text == as_text(choice):
            return choice
    value: Any = text
    match field.kind:
        case Kind.INTEGER:
            value = _parse_integer(text)
        case Kind.NUMBER:
            value = _parse_number(text)
        case Kind.FLAG if text in ("yes", "no"):
            value = text == "yes"
        case Kind.DRAFT:
            value = _parse_draft(text)
        case Kind.JSON:
            value = _parse_json(text)
    return value


def _parse_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError("Enter a whole number.")
    return int(text)


def _parse_number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError("Enter a number.")
    return float(text)


def _parse_draft(text: str) -> Any:
    """The draft that a job's id names, with its position among the job's drafts; else the text."""
    draft = _DRAFT.fullmatch(text)
    if draft is None:
        return text
    return {"job": draft["job_id"], "n": int(draft["position"] or 0)}


def _parse_json(text: str) -> Any:
    try:
        return strict_json.loads(text.encode())
    except BadRequest:
        raise ValueError('Enter JSON, such as {"key": 1}.') from None


def as_text(value: Any) -> str:
    """A value as a visitor types or chooses it; empty if no text stands for the value."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.15g}"
        case str() | int():
            return str(value)
        case {"job": str(job_id)}:  # a draft
            return f"{job_id} {value.get('n', 0)}"
        case [int() | float() as seconds, str(file)]:
            return f"{as_text(seconds)} {file}"
    return ""


def choice_texts(field: InputField) -> list[str]:
    return [as_text(choice) for choice in field.choices]


def can_be_typed(value: Any, field: InputField) -> bool:
    """Whether a visitor can type or choose this value."""
    if value == "":
        return False
    try:
        typed = parse_text(as_text(value), field)
    except ValueError:
        return False
    # True equals 1 in Python, and not in BFL's JSON.
    if isinstance(typed, bool) != isinstance(value, bool):
        return False
    return bool(typed == value)
