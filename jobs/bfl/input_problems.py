"""Problems of an input by BFL's document: fields that BFL would refuse, and fields it lacks.

BFL is lax as pydantic is: it takes `"2048"` and `2048.0` for a whole number, and 1 for true.
Therefore only what is certainly wrong is a problem. BFL alone decides: nothing here stops a job.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from typing_extensions import TypedDict

from jobs.bfl.model_names import SUCCESSORS, explain_unknown_model
from jobs.bfl.model_schemas import Endpoints, InputField, Kind, Mode
from jobs.bfl.submissions import WEBHOOK_FIELDS
from jobs.input_parts import InputPart

MODEL, INPUT = "model", "input"
NAME_MAX_CHARS = 100
UNKNOWN_FIELD = "BFL's document has no such field for this model"
UNKNOWN_MODEL = "BFL's document has no such model"
_FLAG_TEXTS = frozenset({"true", "false", "1", "0", "on", "off", "yes", "no", "t", "f", "y", "n"})


class InputProblem(TypedDict):
    """A field of a submission, and what BFL's document says against it."""

    field: str
    message: str


class InputFindings(TypedDict):
    """Problems are refused by BFL; what warnings are about, BFL ignores, or does not document."""

    problems: list[InputProblem]
    warnings: list[InputProblem]


def nearest(name: str, names: Mapping[str, Any] | list[str]) -> str:
    """A hint at the name that was probably meant, or nothing."""
    by_plain_name = {plain_name(known): known for known in names}
    similar = get_close_matches(plain_name(name[:NAME_MAX_CHARS]), by_plain_name, n=1)
    return f"; did you mean `{by_plain_name[similar[0]]}`?" if similar else ""


def _explain_unknown_model(model: str, endpoints: Endpoints) -> str:
    if model in SUCCESSORS:
        return explain_unknown_model(model, endpoints)
    return UNKNOWN_MODEL + nearest(model, endpoints)


def plain_name(name: str) -> str:
    """The name without case, dashes and underscores, which are easily mistaken."""
    return name.lower().replace("_", "").replace("-", "")


def judge(endpoints: Endpoints, model: str, values: Mapping[str, Any]) -> InputFindings:
    """Compare an input with the document."""
    endpoint = endpoints.get(model)
    if endpoint is None:
        message = _explain_unknown_model(model, endpoints)
        return {"problems": [], "warnings": [_problem(MODEL, message)]}
    problems: list[InputProblem] = []
    selected = values.get(endpoint.selector) if endpoint.selector else None
    if endpoint.selector and selected not in (*endpoint.modes, None):
        message = f"give one of {_listed(endpoint.modes)}"
        problems.append(_problem(f"{INPUT}.{endpoint.selector}", message))
    mode = endpoint.modes[endpoint.mode_of(values)]
    problems += _problems_of_fields(mode, values)
    known_names = {*mode.fields, endpoint.selector, *WEBHOOK_FIELDS}
    unknown = [name for name in values if name not in known_names]
    notes = [
        _problem(f"{INPUT}.{name[:NAME_MAX_CHARS]}", UNKNOWN_FIELD + nearest(name, mode.fields))
        for name in unknown
    ]
    if mode.is_strict:
        problems += notes
    return {"problems": problems, "warnings": notes}


def _problem(field: str, message: str) -> InputProblem:
    return {"field": field, "message": message}


def _listed(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _problems_of_fields(mode: Mode, values: Mapping[str, Any]) -> Iterator[InputProblem]:
    for name, field in mode.fields.items():
        value = values.get(name)
        if value is None:
            # Whether null is a value of an optional field, the reader of the document leaves out.
            if field.is_required:
                yield _problem(f"{INPUT}.{name}", "this is required")
            continue
        if message := _fault(field, value):
            yield _problem(f"{INPUT}.{name}", message)


def _fault(field: InputField, value: Any) -> str:
    """Why BFL would refuse this value; empty if it would not."""
    if not isinstance(value, dict | list) and value in field.choices:
        return ""
    if field.kind.is_file:
        return _fault_of_file(field, value)
    return _FAULTS[field.kind](field, value)


def _fault_of_choice(field: InputField, _value: Any) -> str:
    return f"give one of {_listed(field.choices)}"


def _fault_of_flag(_field: InputField, value: Any) -> str:
    is_flag = isinstance(value, int | float) and value in (0, 1)
    if isinstance(value, str):
        is_flag = value.lower() in _FLAG_TEXTS
    return "" if is_flag else "give true or false"


def _fault_of_number(field: InputField, value: Any) -> str:
    is_whole = field.kind is Kind.INTEGER
    wanted = "give a whole number" if is_whole else "give a number"
    if not isinstance(value, int | float | str):
        return wanted
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return wanted
    if not math.isfinite(number) or (is_whole and not number.is_integer()):
        return wanted
    return "" if _is_within(field, number) else f"give a number {field.range}"


def _is_within(field: InputField, number: float) -> bool:
    bounds = field.bounds
    if number < bounds.get("minimum", -math.inf) or number > bounds.get("maximum", math.inf):
        return False
    if number <= bounds.get("exclusiveMinimum", -math.inf):
        return False
    if number >= bounds.get("exclusiveMaximum", math.inf):
        return False
    step = bounds.get("multipleOf")
    return not step or math.isclose(number / step, round(number / step), abs_tol=1e-9)


def _fault_of_text(field: InputField, value: Any) -> str:
    if isinstance(value, InputPart):
        return ""  # a long text, whose characters are not counted
    if not isinstance(value, str):
        return "give a text"
    least = field.bounds.get("minLength", 0)
    most = field.bounds.get("maxLength", math.inf)
    return "" if least <= len(value) <= most else f"give a text {field.range}"


def _fault_of_file(field: InputField, value: Any) -> str:
    is_single = isinstance(value, str | InputPart)
    if not field.is_list and not field.is_timed:
        return "" if is_single else "give a URL or base64"
    if is_single and not field.is_timed:
        return ""  # some fields take one, too
    return "" if isinstance(value, list) else "give a list"


_FAULTS: dict[Kind, Callable[[InputField, Any], str]] = {
    Kind.TEXT: _fault_of_text,
    Kind.INTEGER: _fault_of_number,
    Kind.NUMBER: _fault_of_number,
    Kind.FLAG: _fault_of_flag,
    Kind.CHOICE: _fault_of_choice,
    Kind.JSON: lambda _field, _value: "",
}
