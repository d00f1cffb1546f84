"""Messages of the Model Context Protocol: its revisions, requests, and errors (JSON-RPC 2.0)."""

import base64
from binascii import Error as Base64Error
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple

from werkzeug.datastructures import Headers

REVISIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
STATELESS = REVISIONS[-1]  # without a handshake: each request names its revision
WITH_HANDSHAKE = REVISIONS[:-1]
WITHOUT_LINKS = REVISIONS[0]  # knows no content of the type `resource_link`
VERSION_HEADER = "MCP-Protocol-Version"
META = "io.modelcontextprotocol/"
NAMED = {"tools/call": "name", "resources/read": "uri"}  # the parameter that `Mcp-Name` repeats

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL_ERROR = -32602, -32603
RESOURCE_NOT_FOUND = -32002  # before the revision without a handshake
HEADER_MISMATCH, UNSUPPORTED_REVISION = -32020, -32022
# Revisions with a handshake answer the others with 200.
_ALWAYS_REFUSED = {PARSE_ERROR, INVALID_REQUEST, HEADER_MISMATCH, UNSUPPORTED_REVISION}

Message = dict[str, Any]  # in JSON-RPC, or a result in one


class ProtocolError(Exception):
    """A message that cannot be answered by a result."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.body = {"code": code, "message": message} | ({"data": data} if data else {})

    def status(self, revision: str) -> HTTPStatus:
        if self.code in _ALWAYS_REFUSED:
            return HTTPStatus.BAD_REQUEST
        if revision != STATELESS or self.code == INTERNAL_ERROR:
            return HTTPStatus.OK
        not_found = self.code == METHOD_NOT_FOUND
        return HTTPStatus.NOT_FOUND if not_found else HTTPStatus.BAD_REQUEST


class Request(NamedTuple):
    """One request; `id` is None for a notification and for a response, which need no answer."""

    id: str | int | None
    method: str
    params: Mapping[str, Any]

    @classmethod
    def parse(cls, message: Mapping[str, Any]) -> "Request":
        """Raises ProtocolError."""
        method, params, request_id = (message.get(name) for name in ("method", "params", "id"))
        if message.get("jsonrpc") != "2.0":
            raise ProtocolError(INVALID_REQUEST, 'A message needs `"jsonrpc": "2.0"`.')
        if not isinstance(method, str):
            if {"result", "error"} & message.keys():
                return cls(None, "", {})
            raise ProtocolError(INVALID_REQUEST, "A request needs the text `method`.")
        if "id" in message and type(request_id) not in (str, int):
            raise ProtocolError(INVALID_REQUEST, "The `id` of a request is a text or an integer.")
        if not isinstance(params, dict | None):
            raise ProtocolError(INVALID_PARAMS, "`params` is an object.")
        return cls(request_id, method, params or {})

    @property
    def meta(self) -> Mapping[str, Any]:
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}

    @property
    def progress_token(self) -> str | int | None:
        token = self.meta.get("progressToken")
        return token if type(token) in (str, int) else None

    def text(self, name: str) -> str:
        """Raises ProtocolError."""
        if not isinstance(value := self.params.get(name), str):
            raise ProtocolError(INVALID_PARAMS, f"`{name}` is required: a text.")
        return value

    def revision(self, headers: Headers) -> str:
        """The revision that the request speaks. Raises ProtocolError."""
        header, named = headers.get(VERSION_HEADER), self.meta.get(f"{META}protocolVersion")
        if named and header and named != header:
            raise ProtocolError(HEADER_MISMATCH, f"{VERSION_HEADER} must repeat that in `_meta`.")
        revision = named or header or REVISIONS[0]
        if revision not in REVISIONS:
            data = {"supported": REVISIONS, "requested": str(revision)[:64]}
            raise ProtocolError(UNSUPPORTED_REVISION, "Unsupported protocol version", data)
        return str(revision)

    def require_metadata(self, headers: Headers) -> None:
        """Without a handshake a request carries all, and headers repeat what proxies look at.

        Raises ProtocolError.
        """
        named = self.meta.get(f"{META}protocolVersion")
        if named is None or not isinstance(self.meta.get(f"{META}clientCapabilities"), dict):
            message = f"`_meta` needs `{META}protocolVersion` and `{META}clientCapabilities`."
            raise ProtocolError(INVALID_PARAMS, message)
        repeated = {VERSION_HEADER: named, "Mcp-Method": self.method}
        if self.method in NAMED:
            repeated["Mcp-Name"] = self.params.get(NAMED[self.method])
        for name, value in repeated.items():
            if _decoded(headers.get(name, "")) != value:
                raise ProtocolError(HEADER_MISMATCH, f"{name} must repeat the value in the body.")


def _decoded(header: str) -> str:
    encoded = header.removeprefix("=?base64?").removesuffix("?=")
    if len(header) - len(encoded) == len("=?base64??="):
        with suppress(Base64Error, UnicodeError):
            return base64.b64decode(encoded, validate=True).decode()
    return header
