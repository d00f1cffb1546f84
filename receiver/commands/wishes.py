"""What is to be generated, as it is said on a command line."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import click

from jobs import strict_json
from jobs.errors import BadReport, TooLarge
from receiver.bodies import validated
from receiver.submissions import BODY_MAX_BYTES, SubmissionBody, SubmissionRequest

Pairs = Iterable[tuple[str, str]]


class Pair(click.ParamType[tuple[str, str]]):
    """`name=value`."""

    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        name, equals, rest = value.partition("=")
        if not (name and equals):
            self.fail(f"{value!r} is not name=value", param, ctx)
        return name, rest


def wish(model: str, given: Mapping[str, Any], metadata: Pairs) -> SubmissionRequest:
    """Raises BadRequest, Invalid, TooLarge."""
    order = {"model": model, "input": given, "metadata": dict(metadata)}
    raw = json.dumps(order).encode()
    if len(raw) > BODY_MAX_BYTES:
        raise TooLarge
    return SubmissionRequest.of(validated(SubmissionBody, raw))


def read_input(file: BinaryIO | None, pairs: Pairs, prompt: str | None) -> dict[str, Any]:
    """The input of a submission: the file's, then what was said one by one."""
    given = _from_file(file) if file else {}
    given |= {name: _value(text) for name, text in pairs}
    if prompt is not None:
        given["prompt"] = prompt
    if not given:
        raise click.UsageError("Say what to generate: --prompt, --input or --json.")
    return given


def _from_file(file: BinaryIO) -> dict[str, Any]:
    raw = file.read(BODY_MAX_BYTES + 1)
    if len(raw) > BODY_MAX_BYTES:
        raise TooLarge
    try:
        given = strict_json.loads(raw)
    except BadReport as error:
        raise click.UsageError(f"--json: {error}") from None
    if not isinstance(given, dict):
        raise click.UsageError("--json: must hold a JSON object with the input")
    return given


def _value(text: str) -> Any:
    """JSON where it is JSON, as in width=1024; else the text itself."""
    try:
        return strict_json.loads(text.encode("utf-8", "surrogateescape"))
    except BadReport:
        return text
