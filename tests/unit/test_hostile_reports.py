"""Hostile and broken reports are parsed, or refused with the documented error."""

import json
from collections.abc import Callable
from contextlib import suppress
from json import dumps
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobs.bfl import parsing
from jobs.domain.bfl_report import Report
from jobs.domain.errors import BadRequest, InvalidReport
from jobs.domain.job import Job
from jobs.domain.polling_policy import Timeouts
from jobs.domain.status import ReportKind, Source
from jobs.domain.transitions import transition
from jobs.net import lenient_json, strict_json
from jobs.store import codec
from jobs.views import base_view
from tests.unit.test_patterns import grows

TIMEOUTS = Timeouts(60.0, 3600.0)
SIGNED = "https://delivery.eu2.bfl.ai/a/sample.png?se=2026-08-15T19%3A22%3A20Z&sig=CANARY%2Fx"


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + closing * depth


# Where a value from outside may stand.
PLACES = {
    "result": '{"id":"a","status":"Ready","result":{"sample":"x","y":VALUE}}',
    "samples": '{"id":"a","status":"Ready","result":{"sample":"x","samples":VALUE}}',
    "details": '{"id":"a","status":"Error","details":VALUE}',
    "error": '{"id":"a","status":"Error","error":VALUE,"x":VALUE}',
    "reasons": '{"id":"a","status":"Content Moderated","details":{"Moderation Reasons":VALUE}}',
}


def read(body: bytes) -> Report | None:
    """The report, or None when it was refused; any other error fails the test."""
    try:
        return parsing.parse_callback(body)
    except InvalidReport:
        return None


@pytest.mark.parametrize(
    "body", [b'{"x":"\\ud83d\\ude00"}', '{"x":"😀"}'.encode(), b' {"x": 1e308}\r\n', b'{"x":-0}']
)
def test_what_the_standard_allows_is_read(body: bytes) -> None:
    assert "x" in strict_json.loads(body)


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(InvalidReport) as caught:
        parsing.parse_callback(b'{"id":"a","canary":')
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("depth", [100, 190, 300, 400, 500, 700, 900, 980, 5000])
def test_depth_is_read_or_refused(place: str, depth: int) -> None:
    for value in (nested(depth), nested(depth, '{"a":', "}").replace(":}", ":1}")):
        check_recorded(read(PLACES[place].replace("VALUE", value).encode()))


def check_recorded(report: Report | None) -> None:
    """Check that an accepted report can be recorded, read back and shown."""
    if report is not None:
        job = transition(Job.awaited(report.task_id, 1.0, TIMEOUTS), report, 2.0, TIMEOUTS)
        assert codec.decode(codec.encode(job, job.version)) == job
        assert dumps(base_view(job, []), allow_nan=False).encode()


@pytest.mark.parametrize("number", ["9" * 129, "-0." + "9" * 128, "1e-" + "0" * 128, "9" * 10**6])
def test_a_long_number_in_a_large_body_is_refused_before_it_is_made(number: str) -> None:
    for digits in (100, 1000, 4300):
        check_recorded(read(PLACES["result"].replace("VALUE", "9" * digits).encode()))
    space = b" " * 2**20
    for text in (number[:128].rstrip(".e-"), "1.5"):
        assert strict_json.loads(b'{"x":[' + text.encode() + b"]}" + space)["x"]
    with pytest.raises(BadRequest):
        strict_json.loads(b'{"x":[' + number.encode() + b"]}" + space)


WORST = {
    "integers": ("[", "9" * 128 + ",", "1]"),
    "fractions": ("[", "0." + "9" * 126 + ",", "1]"),
    "exponents": ("[", "1e-" + "9" * 125 + ",", "1]"),
    "one number": ("[", "9", "]"),
    "escapes": ('["', "\\u0041", '"]'),
    "backslashes": ('["', "\\\\", '"]'),
    "surrogate pairs": ('["', "\\ud83d\\ude00", '"]'),
    "lone surrogates": ('["', "\\ud83d ", '"]'),
    "empty strings": ("[", '"",', '""]'),
    "equal names": ("{", '"a":0,', '"a":0}'),
    "lists": ("", "[", ""),
    "objects": ("", '{"":', ""),
    "empty lists": ("[", "[],", "1]"),
    "spaces": ("[", " ", "1]"),
    "lines, then an error": ("[", "\n", "x]"),
    "a string without end": ('["', "a", ""),
    "a wide letter at the end": ('["', "a", "\U0001f600"),
}


@pytest.mark.parametrize("loads", [strict_json.loads, lenient_json.load_object])
@pytest.mark.parametrize("texts", WORST.values(), ids=WORST)
def test_json_takes_time_in_proportion_to_its_length(
    texts: tuple[str, str, str], loads: Callable[[bytes], Any]
) -> None:
    prefix, piece, suffix = texts

    def parse(size: int) -> None:
        body = (prefix + piece * (size // len(piece)) + suffix).encode()
        with suppress(BadRequest):
            loads(body)

    assert not grows(parse)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
WORDS = st.sampled_from(["Ready", "SUCCESS", "Error", "Pending", "Content Moderated", "???"])
MESSAGES = st.fixed_dictionaries(
    {"id": st.just("a") | JSON},
    optional={
        "task_id": JSON,
        "status": WORDS | JSON,
        "result": st.dictionaries(st.sampled_from(["sample", "samples", "seed"]), JSON) | JSON,
        "details": JSON,
        "detail": JSON,
        "message": JSON,
        "error": JSON,
        "cost": JSON,
        "progress": JSON,
    },
)


@given(st.binary(max_size=400))
@example(b'{"id":"a","result":{"sample":"//["}}')
def test_any_bytes_are_refused_or_read_and_recorded(body: bytes) -> None:
    check_recorded(read(body))


@given(JSON | MESSAGES)
def test_any_json_is_refused_or_read_and_recorded(value: Any) -> None:
    report = read(dumps(value).encode())
    check_recorded(report)
    if report:
        assert bool(report.urls) is (report.kind is ReportKind.READY)
        assert (report.error is not None) is (report.kind is ReportKind.FAILED)
        assert (report.moderation is not None) is (report.kind is ReportKind.MODERATED)
        assert report.source is Source.CALLBACK


@pytest.mark.parametrize(
    "value",
    [
        SIGNED,
        SIGNED.replace("https", "HTTPS"),
        f" {SIGNED}",
        f"see {SIGNED} for more",
        f"{SIGNED} {SIGNED}",
        [SIGNED],
        [[{"deep": [SIGNED]}]],
        {"url": SIGNED},
    ],
    ids=["plain", "capitals", "space", "sentence", "two", "list", "deep", "object"],
)
@pytest.mark.parametrize("name", ["sample", "samples", "draft_cache", "preview", "input_image"])
def test_a_signed_query_never_survives_in_a_result(name: str, value: Any) -> None:
    for status in ("Ready", "Pending", "Error"):
        message = {"id": "a", "status": status, "result": {"sample": SIGNED, name: value}}
        kept = dumps(dict(parsing.parse_callback(dumps(message).encode()).result))
        assert "CANARY" not in kept
    for field in ("message", "error", "details", "detail"):
        failed = {"id": "a", "status": "Error", field: f"cannot upload to {SIGNED}"}
        report = parsing.parse_callback(dumps(failed).encode())
        assert report.error is not None and "CANARY" not in report.error.message


UUID = "0b5a1c9e-7a70-4d0c-9a6f-0d3f0c1b2a3d"


def _report(**fields: object) -> bytes:
    return json.dumps({"status": "Error", **fields}).encode()


def _with(more: str) -> bytes:
    """A report with some raw JSON in it."""
    return b'{"id":"%b","status":"Error",%b}' % (UUID.encode(), more.encode())


NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \r\n\t ",
    "an opening brace": b"{",
    "cut off": _report(id=UUID)[:-1],
    "a document and more": _report(id=UUID) + b"x",
    "60,000 brackets": b"[" * 60_000,
    "deep in a report": _with('"a":' + "[" * 20_000 + "]" * 20_000),
    "35 levels": _with('"a":' + "[" * 34 + "]" * 34),
    "an unknown escape": _with(r'"a":"\x41"'),
}
# Refused where a stranger may have written it, and read where BFL has.
ODD_JSON: dict[str, bytes] = {
    "a NUL after it": _report(id=UUID) + b"\0",
    "invalid UTF-8": b'{"id":"%b","status":"Error","a":"\xff"}' % UUID.encode(),
    "a surrogate in UTF-8": b'{"id":"%b","status":"Error","a":"\xed\xa0\x80"}' % UUID.encode(),
    "UTF-8 with a byte order mark": b"\xef\xbb\xbf" + _report(id=UUID),
    "UTF-16": _report(id=UUID).decode().encode("utf-16"),
    "UTF-32 without a mark": _report(id=UUID).decode().encode("utf-32-be"),
    "a 60,000-digit integer": _with('"seed":' + "9" * 60_000),
    "NaN": _with('"progress":NaN'),
    "Infinity": _with('"progress":Infinity'),
    "1e999": _with('"progress":1e999'),
    "a raw newline in a string": _with('"a":"b\nc"'),
    "a raw NUL in a string": _with('"a":"b\0c"'),
    "a lone surrogate": _with(r'"a":"\ud800"'),
    "a lone surrogate in a name": _with(r'"\udfff":1'),
    "an older status first": b'{"status":"Pending","id":"%b","status":"Error"}' % UUID.encode(),
    "a name twice, deep down": _with('"result":{"a":{"sample":"x","sample":"y"}}'),
}
NO_OBJECT: dict[str, bytes] = {
    "a list": b"[]",
    "null": b"null",
    "true": b"true",
    "a number": b"5",
    "a string": b'"text"',
    "a report in a string": json.dumps(_report(id=UUID).decode()).encode(),
}
IDS: dict[str, object] = {
    "null": None,
    "a number": 5,
    "true": True,
    "empty": "",
    "a list": [UUID],
    "an object": {"id": UUID},
    "a space before": f" {UUID}",
    "a space after": f"{UUID} ",
    "a newline after": f"{UUID}\n",
    "a NUL": "a\0b",
    "a colon": "a:b",
    "a key of Redis": "fluxkeep:job:x",
    "a slash": "a/b",
    "two dots": "..",
    "a path": "../../etc/passwd",
    "129 characters": "a" * 129,
    "60,000 characters": "a" * 60_000,
    "braces": f"{{{UUID}}}",
    "a plus": "a+b",
    "markup": "<a>",
    "a letter with an accent": "\xe9",
    "arabic digits": "\u0661\u0662",
    "a zero-width space": "a\u200bb",
    "a letter that folds to k": "\u212a",
    "an emoji": "\U0001f4a5",
}
BROKEN = {
    **NOT_JSON,
    **{f"top level: {name}": body for name, body in NO_OBJECT.items()},
    "100,000 values": b"[" + b"1," * 100_000 + b"1]",
    "no id": _report(),
    "ID in capitals": _report(ID=UUID, Id=UUID, iD=UUID),
    "an empty object": b"{}",
    **{f"id: {name}": _report(id=value) for name, value in IDS.items()},
    **{f"task_id: {name}": _report(task_id=value) for name, value in IDS.items()},
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_report_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidReport):
        parsing.parse_callback(body)


@pytest.mark.parametrize("body", ODD_JSON.values(), ids=ODD_JSON)
def test_odd_json_is_read_where_bfl_has_written_it(body: bytes) -> None:
    report = parsing.parse_callback(body)
    assert (report.task_id, report.kind) == (UUID, ReportKind.FAILED)
    check_recorded(report)
    with pytest.raises(BadRequest):
        strict_json.loads(body)


def test_what_is_no_number_is_null_and_the_last_of_two_names_counts() -> None:
    body = '{"a": 1, "b": [NaN, -Infinity, 1e999, 7], "a": "M\xfcnchen \x80"}'.encode("latin-1")
    assert lenient_json.load_object(body) == {"a": "M\xfcnchen \u20ac", "b": [None] * 3 + [7]}
