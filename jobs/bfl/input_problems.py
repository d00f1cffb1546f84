"""Problems of an input by BFL's document: fields that BFL would refuse, and fields it lacks.

BFL is lax as pydantic is: it takes `"2048"` and `2048.0` for a whole number, and 1 for true.
Therefore only what is certainly wrong is a problem. BFL alone decides: nothing here stops a job.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from typing_extensions import TypedDict

from jobs.bfl.model_names import SUCCESSORS, explain_unknown_model
from jobs.bfl.model_schemas import Endpoint, Endpoints, InputField, Kind, Mode
from jobs.bfl.submissions import WEBHOOK_FIELDS
from jobs.input_parts import InputPart

MODEL = "model"
INPUT = "input"
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


def suggest_name(name: str, names: Iterable[str]) -> str:
    """A hint at the name that was probably meant, or nothing."""
    by_plain_name = {plain_name(candidate): candidate for candidate in names}
    nearest_names = get_close_matches(plain_name(name[:NAME_MAX_CHARS]), by_plain_name, n=1)
    if not nearest_names:
        return ""
    return f"; did you mean `{by_plain_name[nearest_names[0]]}`?"


def _explain_unknown_model(model: str, endpoints: Endpoints) -> str:
    if model in SUCCESSORS:
        return explain_unknown_model(model, endpoints)
    return UNKNOWN_MODEL + suggest_name(model, endpoints)


def plain_name(name: str) -> str:
    """The name without case, dashes and underscores, which are easily mistaken."""
    return name.lower().replace("_", "").replace("-", "")


def judge(endpoints: Endpoints, model: str, values: Mapping[str, Any]) -> InputFindings:
    """Compare an input with the document."""
    endpoint = endpoints.get(model)
    if endpoint is None:
        message = _explain_unknown_model(model, endpoints)
        return {"problems": [], "warnings": [_problem(MODEL, message)]}
    mode = endpoint.modes[endpoint.mode_of(values)]
    problems = [*_problems_of_selector(endpoint, values), *_problems_of_fields(mode, values)]
    unknown_fields = list(_unknown_fields(endpoint, mode, values))
    if mode.is_strict:
        problems.extend(unknown_fields)
    return {"problems": problems, "warnings": unknown_fields}


def _problem(field: str, message: str) -> InputProblem:
    return {"field": field, "message": message}


def _listed(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _problems_of_selector(endpoint: Endpoint, values: Mapping[str, Any]) -> Iterator[InputProblem]:
    """The problem of the field that selects a mode, if it names none."""
    if not endpoint.selector:
        return
    selected = values.get(endpoint.selector)
    if selected is None or selected in list(endpoint.modes):
        return
    message = f"give one of {_listed(endpoint.modes)}"
    yield _problem(f"{INPUT}.{endpoint.selector}", message)


def _problems_of_fields(mode: Mode, values: Mapping[str, Any]) -> Iterator[InputProblem]:
    for name, field in mode.fields.items():
        value = values.get(name)
        if value is None:
            # The reader of the document leaves out whether null is a value of an optional field.
            if field.is_required:
                yield _problem(f"{INPUT}.{name}", "this is required")
            continue
        fault = _fault(field, value)
        if fault:
            yield _problem(f"{INPUT}.{name}", fault)


def _unknown_fields(
    endpoint: Endpoint, mode: Mode, values: Mapping[str, Any]
) -> Iterator[InputProblem]:
    for name in values:
        if name in mode.fields or name == endpoint.selector or name in WEBHOOK_FIELDS:
            continue
        path = f"{INPUT}.{name[:NAME_MAX_CHARS]}"
        yield _problem(path, UNKNOWN_FIELD + suggest_name(name, mode.fields))


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
    is_flag = False
    if isinstance(value, str):
        is_flag = value.lower() in _FLAG_TEXTS
    elif isinstance(value, int | float):
        is_flag = value in (0, 1)
    if is_flag:
        return ""
    return "give true or false"


def _fault_of_number(field: InputField, value: Any) -> str:
    is_whole = field.kind is Kind.INTEGER
    advice = "give a number"
    if is_whole:
        advice = "give a whole number"
    if not isinstance(value, int | float | str):
        return advice
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return advice
    if not math.isfinite(number):
        return advice
    if is_whole and not number.is_integer():
        return advice
    if not _is_within(field, number):
        return f"give a number {field.range}"
    return ""


def _is_within(field: InputField, number: float) -> bool:
    bounds = field.bounds
    if number < bounds.get("minimum", -math.inf):
        return False
    if number > bounds.get("maximum", math.inf):
        return False
    if number <= bounds.get("exclusiveMinimum", -math.inf):
        return False
    if number >= bounds.get("exclusiveMaximum", math.inf):
        return False
    step = bounds.get("multipleOf")
    if not step:
        return True
    return math.isclose(number / step, round(number / step), abs_tol=1e-9)


def _fault_of_text(field: InputField, value: Any) -> str:
    if isinstance(value, InputPart):
        return ""  # a long text, whose characters are not counted
    if not isinstance(value, str):
        return "give a text"
    least = field.bounds.get("minLength", 0)
    most = field.bounds.get("maxLength", math.inf)
    if len(value) < least or len(value) > most:
        return f"give a text {field.range}"
    return ""


def _fault_of_file(field: InputField, value: Any) -> str:
    is_single = isinstance(value, str | InputPart)
    takes_single = not field.is_list and not field.is_timed
    if takes_single and not is_single:
        return "give a URL or base64"
    if takes_single:
        return ""
    if is_single and not field.is_timed:
        return ""  # some fields take one file as well
    if not isinstance(value, list):
        return "give a list"
    return ""


def _no_fault(_field: InputField, _value: Any) -> str:
    return ""


_FAULTS: dict[Kind, Callable[[InputField, Any], str]] = {
    Kind.TEXT: _fault_of_text,
    Kind.INTEGER: _fault_of_number,
    Kind.NUMBER: _fault_of_number,
    Kind.FLAG: _fault_of_flag,
    Kind.CHOICE: _fault_of_choice,
    Kind.JSON: _no_fault,
}
