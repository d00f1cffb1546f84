"""Messages of the Model Context Protocol: its revisions, requests, and errors (JSON-RPC 2.0)."""

import base64
from binascii import Error as Base64Error
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict
from werkzeug.datastructures import Headers

WITH_HANDSHAKE = ("2025-06-18", "2025-11-25")
# That of a request which names none. It is not offered: it has batches, which are refused here.
ASSUMED = "2025-03-26"
STATELESS = "2026-07-28"  # without a handshake: each request names its revision
REVISIONS = (*WITH_HANDSHAKE, STATELESS)
REVISION_HEADER = "MCP-Protocol-Version"
META = "io.modelcontextprotocol/"
NAMED = {"tools/call": "name", "resources/read": "uri"}  # the parameter that `Mcp-Name` repeats

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL_ERROR = -32602, -32603
RESOURCE_NOT_FOUND = -32002  # of revisions with a handshake
HEADER_MISMATCH, UNSUPPORTED_REVISION = -32020, -32022
_NEVER_200 = {PARSE_ERROR, INVALID_REQUEST, HEADER_MISMATCH, UNSUPPORTED_REVISION}

Message = dict[str, Any]  # of JSON-RPC, or the result in one


class ProtocolError(Exception):
    """A request that has no result."""

    def __init__(self, code: int, message: str, **data: Any) -> None:
        super().__init__(message)
        self.code = code
        self.body = {"code": code, "message": message} | ({"data": data} if data else {})

    def status(self, revision: str) -> HTTPStatus:
        is_refused = revision == STATELESS and self.code != INTERNAL_ERROR
        if not is_refused and self.code not in _NEVER_200:
            return HTTPStatus.OK
        is_unknown = self.code == METHOD_NOT_FOUND
        return HTTPStatus.NOT_FOUND if is_unknown else HTTPStatus.BAD_REQUEST


def _object_or_none(value: Any) -> Any:
    """Clients write null for what is absent."""
    return {} if value is None else value


def readable_id(fields: Mapping[str, Any]) -> str | int | None:
    """The id of a request that is invalid otherwise: its error must name it."""
    request_id = fields.get("id")
    return request_id if type(request_id) in (str, int) else None


class Request(BaseModel):
    """A request, or a notification, which has no `id`."""

    model_config = ConfigDict(strict=True)

    jsonrpc: Literal["2.0"]
    method: str
    id: str | int = ""
    params: Annotated[dict[str, Any], BeforeValidator(_object_or_none)] = {}

    @property
    def meta(self) -> Mapping[str, Any]:
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}

    @property
    def progress_token(self) -> str | int | None:
        token = self.meta.get("progressToken")
        return token if type(token) in (str, int) else None

    def text(self, name: str) -> str:
        """A required parameter. Raises ProtocolError."""
        value = self.params.get(name)
        if not isinstance(value, str):
            raise ProtocolError(INVALID_PARAMS, f"`{name}` is required: a text.")
        return value

    def revision(self, headers: Headers) -> str:
        """The revision that the request speaks. Raises ProtocolError."""
        header, named = headers.get(REVISION_HEADER), self.meta.get(f"{META}protocolVersion")
        if named and header and named != header:
            raise ProtocolError(HEADER_MISMATCH, f"{REVISION_HEADER} must repeat that in `_meta`.")
        revision = str(named or header or ASSUMED)
        if revision not in (*REVISIONS, ASSUMED):
            data = {"supported": REVISIONS, "requested": revision[:64]}
            raise ProtocolError(UNSUPPORTED_REVISION, "Unsupported protocol version", **data)
        return revision

    def require_metadata(self, headers: Headers) -> None:
        """Require what a request without a handshake carries and repeats. Raises ProtocolError."""
        named = self.meta.get(f"{META}protocolVersion")
        if named is None or not isinstance(self.meta.get(f"{META}clientCapabilities"), dict):
            message = f"`_meta` needs `{META}protocolVersion` and `{META}clientCapabilities`."
            raise ProtocolError(INVALID_PARAMS, message)
        repeated = {REVISION_HEADER: named, "Mcp-Method": self.method}
        if self.method in NAMED:
            repeated["Mcp-Name"] = self.params.get(NAMED[self.method])
        for name, value in repeated.items():
            if _decoded(headers.get(name, "")) != value:
                raise ProtocolError(HEADER_MISMATCH, f"{name} must repeat the value in the body.")


def _decoded(header: str) -> str:
    encoded = header.removeprefix("=?base64?").removesuffix("?=")
    if header == f"=?base64?{encoded}?=":
        with suppress(Base64Error, UnicodeError):
            return base64.b64decode(encoded, validate=True).decode()
    return header
