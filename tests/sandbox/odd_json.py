"""JSON as BFL never documented it: in a coding, in another encoding, or not quite JSON."""

import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from tests.sandbox.answers import Answer

OddJson = Literal[
    "gzip",
    "gzip_checksum",
    "deflate",
    "raw_deflate",
    "coding_of_plain",
    "byte_order_mark",
    "utf16",
    "latin1",
    "nan",
    "infinity",
    "huge_number",
    "twice",
    "raw_newline",
    "surrogate",
    "nul_after",
    "cut",
    "html",
    "nothing",
    "list",
]
HTML = b"<!doctype html><title>OK</title>"


def _member(raw: str) -> Callable[[bytes], bytes]:
    """Add a member to an object, as raw JSON."""
    return lambda body: body.removesuffix(b"}") + b", " + raw.encode("latin-1") + b"}"


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


_CHANGES: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip_checksum": lambda body: gzip.compress(body)[:-8] + b"checksum",
    "deflate": zlib.compress,
    "raw_deflate": _raw_deflate,
    "coding_of_plain": lambda body: body,
    "byte_order_mark": lambda body: b"\xef\xbb\xbf" + body,
    "utf16": lambda body: body.decode().encode("utf-16"),
    "latin1": _member('"note": "M\xfcnchen"'),
    "nan": _member('"preview_cost": NaN'),
    "infinity": _member('"preview_cost": -Infinity'),
    "huge_number": _member(f'"preview_cost": 1e999, "n": {"9" * 5000}'),
    "twice": lambda body: b'{"id": "an-older-one", "status": "Pending", ' + body.removeprefix(b"{"),
    "raw_newline": _member('"note": "a\nb"'),
    "surrogate": _member('"note": "\\ud83d"'),
    "nul_after": lambda body: body + b"\0",
    "cut": lambda body: body[: len(body) // 2],
    "html": lambda _body: HTML,
    "nothing": lambda _body: b"",
    "list": lambda body: b"[" + body + b"]",
}
_CODINGS = {
    "gzip": "gzip",
    "gzip_checksum": "x-gzip",
    "deflate": "deflate",
    "raw_deflate": "deflate",
    "coding_of_plain": "gzip, br",
}


def odd_body(body: bytes, kind: OddJson | None) -> bytes:
    return _CHANGES[kind](body) if kind else body


def odd_answer(answer: Answer, kind: OddJson | None) -> Answer:
    """Change the body of an answer, and name its coding."""
    if kind is None or not isinstance(answer.body, bytes):
        return answer
    body = odd_body(answer.body, kind)
    headers = dict(answer.headers) | {"Content-Length": str(len(body))}
    if kind in _CODINGS:
        headers["Content-Encoding"] = _CODINGS[kind]
    return replace(answer, headers=headers, body=body)
