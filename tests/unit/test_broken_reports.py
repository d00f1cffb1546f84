"""Callbacks that are not strict JSON, have no object or no plain id: refused as invalid reports."""

import json

import pytest

from jobs.bfl import parsing
from jobs.domain.errors import InvalidReport

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
    "a NUL after it": _report(id=UUID) + b"\0",
    "invalid UTF-8": b'{"id":"%b","status":"\xff"}' % UUID.encode(),
    "a surrogate in UTF-8": b'{"id":"%b","status":"\xed\xa0\x80"}' % UUID.encode(),
    "UTF-8 with a byte order mark": b"\xef\xbb\xbf" + _report(id=UUID),
    "UTF-16": _report(id=UUID).decode().encode("utf-16"),
    "60,000 brackets": b"[" * 60_000,
    "deep in a report": _with('"a":' + "[" * 20_000 + "]" * 20_000),
    "a 60,000-digit integer": _with('"seed":' + "9" * 60_000),
    "NaN": _with('"progress":NaN'),
    "Infinity": _with('"progress":Infinity'),
    "1e999": _with('"progress":1e999'),
    "a raw newline in a string": _with('"a":"b\nc"'),
    "a raw NUL in a string": _with('"a":"b\0c"'),
    "an unknown escape": _with(r'"a":"\x41"'),
    "a lone surrogate": _with(r'"a":"\ud800"'),
    "a lone surrogate in a name": _with(r'"\udfff":1'),
}
NO_OBJECT: dict[str, bytes] = {
    "a list": b"[]",
    "null": b"null",
    "true": b"true",
    "a number": b"5",
    "a string": b'"text"',
    "a report in a string": json.dumps(_report(id=UUID).decode()).encode(),
}
TWICE: dict[str, bytes] = {
    "id": b'{"id":"a","id":"b","status":"Error"}',
    "id in other letters": b'{"id":"a","\\u0069d":"b","status":"Error"}',
    "status": b'{"id":"a","status":"Error","status":"Ready"}',
    "a name deep down": _with('"result":{"a":{"sample":"x","sample":"y"}}'),
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
    **{f"twice: {name}": body for name, body in TWICE.items()},
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
