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
# The revision of a request that names none. It is not offered: it has batches, which are refused.
ASSUMED = "2025-03-26"
STATELESS = "2026-07-28"  # without a handshake: each request names its revision
REVISIONS = (*WITH_HANDSHAKE, STATELESS)
REVISION_HEADER = "MCP-Protocol-Version"
META = "io.modelcontextprotocol/"
# The parameter that `Mcp-Name` repeats, by method.
NAME_PARAMETERS = {"tools/call": "name", "resources/read": "uri"}

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
RESOURCE_NOT_FOUND = -32002  # in revisions with a handshake
HEADER_MISMATCH = -32020
UNSUPPORTED_REVISION = -32022
_NEVER_200 = {PARSE_ERROR, INVALID_REQUEST, HEADER_MISMATCH, UNSUPPORTED_REVISION}

Message = dict[str, Any]  # of JSON-RPC, or the result in one


class ProtocolError(Exception):
    """A request that has no result."""

    def __init__(self, code: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.body: dict[str, Any] = {"code": code, "message": message}
        if details:
            self.body["data"] = details

    def status(self, revision: str) -> HTTPStatus:
        """The status of the HTTP response; revisions with a handshake have 200 for most errors."""
        is_http_error = revision == STATELESS and self.code != INTERNAL_ERROR
        if not is_http_error and self.code not in _NEVER_200:
            return HTTPStatus.OK
        if self.code == METHOD_NOT_FOUND:
            return HTTPStatus.NOT_FOUND
        return HTTPStatus.BAD_REQUEST


def _empty_object_for_null(value: Any) -> Any:
    """Clients write null for absent parameters."""
    if value is None:
        return {}
    return value


RequestId = str | int | float  # JSON-RPC advises against fractions, and takes them


def _text_or_number(value: Any) -> RequestId | None:
    """A valid identifier of JSON-RPC; None for any other value, such as a bool."""
    if type(value) in (str, int, float):
        identifier: RequestId = value
        return identifier
    return None


def readable_id(fields: Mapping[str, Any]) -> RequestId | None:
    """The id of a request that is invalid otherwise: its error must name it."""
    return _text_or_number(fields.get("id"))


class RpcRequest(BaseModel):
    """A request, or a notification, which has no `id`."""

    model_config = ConfigDict(strict=True)

    jsonrpc: Literal["2.0"]
    method: str
    id: RequestId = ""
    params: Annotated[dict[str, Any], BeforeValidator(_empty_object_for_null)] = {}

    @property
    def meta(self) -> Mapping[str, Any]:
        """The metadata of the request; empty without any."""
        meta = self.params.get("_meta")
        if isinstance(meta, dict):
            return meta
        return {}

    @property
    def progress_token(self) -> RequestId | None:
        """The token with which the client asks for notifications of the progress."""
        return _text_or_number(self.meta.get("progressToken"))

    def text(self, name: str) -> str:
        """A required parameter. Raises ProtocolError."""
        value = self.params.get(name)
        if not isinstance(value, str):
            raise ProtocolError(INVALID_PARAMS, f"`{name}` is required: a text.")
        return value

    def revision(self, headers: Headers) -> str:
        """The revision that the request speaks. Raises ProtocolError."""
        in_header = headers.get(REVISION_HEADER)
        in_body = self.meta.get(f"{META}protocolVersion")
        if in_body and in_header and in_body != in_header:
            raise ProtocolError(HEADER_MISMATCH, f"{REVISION_HEADER} must repeat that in `_meta`.")
        revision = str(in_body or in_header or ASSUMED)
        if revision == ASSUMED or revision in REVISIONS:
            return revision
        raise ProtocolError(
            UNSUPPORTED_REVISION,
            "Unsupported protocol version",
            supported=REVISIONS,
            requested=revision[:64],
        )

    def require_metadata(self, headers: Headers) -> None:
        """Require the metadata of a request without a handshake, and their repetition in headers.

        Raises ProtocolError.
        """
        revision = self.meta.get(f"{META}protocolVersion")
        capabilities = self.meta.get(f"{META}clientCapabilities")
        if revision is None or not isinstance(capabilities, dict):
            message = f"`_meta` needs `{META}protocolVersion` and `{META}clientCapabilities`."
            raise ProtocolError(INVALID_PARAMS, message)
        repeated_values = {REVISION_HEADER: revision, "Mcp-Method": self.method}
        if self.method in NAME_PARAMETERS:
            repeated_values["Mcp-Name"] = self.params.get(NAME_PARAMETERS[self.method])
        for name, value in repeated_values.items():
            if _decode_header(headers.get(name, "")) != value:
                raise ProtocolError(HEADER_MISMATCH, f"{name} must repeat the value in the body.")


def _decode_header(header: str) -> str:
    """The text of a header, which may be base64: headers of HTTP have ASCII only."""
    encoded = header.removeprefix("=?base64?").removesuffix("?=")
    if header == f"=?base64?{encoded}?=":
        with suppress(Base64Error, UnicodeError):
            return base64.b64decode(encoded, validate=True).decode()
    return header
