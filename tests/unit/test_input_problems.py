"""What BFL's document says of an input, as the sandbox's own reader of it judges."""

from typing import Any

import pytest

from jobs.bfl import openapi_document
from jobs.bfl.input_problems import judge, suggest_name
from jobs.bfl.model_names import SUCCESSORS
from tests.harness.smallest_inputs import DOCUMENT, smallest_input

MODEL = "flux-2-pro"
PROMPT = {"prompt": "a fox"}


def fields(found: list[Any]) -> list[str]:
    return [one["field"] for one in found]


@pytest.mark.parametrize(
    "model", [one for one in DOCUMENT.models if one in openapi_document.shipped_endpoints()]
)
def test_what_bfl_takes_has_no_problem(model: str) -> None:
    found = judge(openapi_document.shipped_endpoints(), model, smallest_input(model))
    assert found == {"problems": [], "warnings": []}


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({}, ["input.prompt"]),
        ({"prompt": 7}, ["input.prompt"]),
        ({**PROMPT, "width": "wide"}, ["input.width"]),
        ({**PROMPT, "width": 63}, ["input.width"]),
        ({**PROMPT, "width": 512.5}, ["input.width"]),
        ({**PROMPT, "width": [512]}, ["input.width"]),
        ({**PROMPT, "seed": 1e999}, ["input.seed"]),
        ({**PROMPT, "output_format": "gif"}, ["input.output_format"]),
        ({**PROMPT, "safety_tolerance": 99}, ["input.safety_tolerance"]),
        ({**PROMPT, "input_image": 7}, ["input.input_image"]),
        ({**PROMPT, "width": "512", "height": 512.0, "seed": None}, []),  # BFL is lax
    ],
)
def test_what_bfl_would_refuse_is_a_problem(values: dict[str, Any], wrong: list[str]) -> None:
    assert fields(judge(openapi_document.shipped_endpoints(), MODEL, values)["problems"]) == wrong
    assert bool(DOCUMENT.complaints(MODEL, values)) or not wrong, "BFL's document agrees"


def test_a_field_that_the_document_does_not_know_is_a_warning_with_the_nearest_name() -> None:
    found = judge(
        openapi_document.shipped_endpoints(),
        MODEL,
        {**PROMPT, "heigth": 512, "outputFormat": "png"},
    )
    assert fields(found["warnings"]) == ["input.heigth", "input.outputFormat"]
    assert ["did you mean `height`?" in one["message"] for one in found["warnings"]] == [
        True,
        False,
    ]
    assert "did you mean `output_format`?" in found["warnings"][1]["message"]
    strict = next(
        model
        for model, endpoint in openapi_document.shipped_endpoints().items()
        if any(mode.is_strict for mode in endpoint.modes.values())
    )
    refused = judge(
        openapi_document.shipped_endpoints(), strict, {**smallest_input(strict), "heigth": 512}
    )
    assert "input.heigth" in fields(refused["problems"])


def test_a_model_that_the_document_does_not_know_is_a_warning() -> None:
    found = judge(openapi_document.shipped_endpoints(), "flux-2-por", PROMPT)
    assert (
        fields(found["warnings"]) == ["model"] and "flux-2-pro" in found["warnings"][0]["message"]
    )


@pytest.mark.parametrize(("model", "successor"), SUCCESSORS.items())
def test_the_successor_of_a_withdrawn_model_is_named(model: str, successor: str) -> None:
    (warning,) = judge(openapi_document.shipped_endpoints(), model, PROMPT)["warnings"]
    assert warning["message"] == f"BFL has no model {model} any more; use {successor}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("dryrun", "; did you mean `dry_run`?"),
        ("Dry-Run", "; did you mean `dry_run`?"),
        ("dry_rum", "; did you mean `dry_run`?"),
        ("pretty", ""),
        ("x" * 100_000, ""),
    ],
)
def test_the_nearest_name_is_a_hint(name: str, hint: str) -> None:
    assert suggest_name(name, ["dry_run", "limit"]) == hint
