"""`POST /mcp`: Streamable HTTP of the Model Context Protocol, without sessions."""

from collections import deque
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request, stream_with_context
from flask.typing import ResponseReturnValue
from pydantic_core import to_json

from jobs.domain import errors
from jobs.net import strict_json
from jobs.net.urls import parse
from receiver import input_body
from receiver.api.events import HEADERS
from receiver.auth import require_scope
from receiver.context import reader_origin, services
from receiver.mcp import content, protocol, resources, waiting
from receiver.mcp.protocol import Message, ProtocolError, Request
from receiver.mcp.tools import TOOLS, Waiting
from receiver.openapi.document import VERSION
from receiver.problem_details import detail_of
from receiver.schemas.endpoint_spec import STREAM

CACHE_MILLISECONDS = 3_600_000
SERVER = {"name": "fluxkeep", "title": "Fluxkeep", "version": VERSION}
CAPABILITIES: dict[str, Any] = {"tools": {}, "resources": {}}
INSTRUCTIONS = (
    "Fluxkeep generates images and videos with FLUX models and keeps them. `generate` and `edit` "
    "cost credits. When a job is not done after the wait, call `wait_for_job` with its id until it "
    "is; never generate it again."
)

blueprint = Blueprint("mcp", __name__)


@blueprint.post("/mcp")
def answer_message() -> ResponseReturnValue:
    """Answer one message: JSON, or a stream while a job is waited for with a progress token."""
    _require_own_origin()
    require_scope("read")
    asked, revision = Request(None, "", {}), protocol.REVISIONS[0]
    try:
        with input_body.received() as received:
            asked = Request.parse(received.fields)
            revision = asked.revision(request.headers)
            if asked.id is None:
                return "", HTTPStatus.ACCEPTED
            if revision == protocol.STATELESS:
                asked.require_metadata(request.headers)
            outcome = _outcome(asked, revision)
    except errors.InvalidJson as error:
        is_batch = str(error) == strict_json.NO_OBJECT
        code = protocol.INVALID_REQUEST if is_batch else protocol.PARSE_ERROR
        return _refusal(asked, revision, ProtocolError(code, detail_of(error)))
    except ProtocolError as error:
        return _refusal(asked, revision, error)
    respond = partial(_respond, asked, revision)
    if not isinstance(outcome, Waiting):
        return jsonify(respond(outcome))
    messages = waiting.messages(outcome, asked, respond)
    if asked.progress_token is None or STREAM not in request.headers.get("Accept", ""):
        return jsonify(deque(messages, maxlen=1).pop())
    events = (b"event: message\ndata: " + to_json(message) + b"\n\n" for message in messages)
    return Response(stream_with_context(events), mimetype=STREAM, headers=HEADERS)


def _require_own_origin() -> None:
    """Raises Forbidden for a page of another site, also one whose name leads to this machine."""
    origin, public_url = request.headers.get("Origin"), services().settings.public_url
    ours = public_url or reader_origin()
    is_ours = ours and (public_url or parse(ours).origin.is_loopback)
    if origin is not None and not (is_ours and origin == str(parse(str(ours)).origin)):
        raise errors.Forbidden("Pages of other origins may not call this.")


def _refusal(asked: Request, revision: str, error: ProtocolError) -> ResponseReturnValue:
    return jsonify(jsonrpc="2.0", id=asked.id, error=error.body), error.status(revision)


def _respond(asked: Request, revision: str, result: Message) -> Message:
    if revision == protocol.STATELESS:
        own = {"resultType": "complete", "_meta": {f"{protocol.META}serverInfo": SERVER}}
        result = result | own
    elif revision == protocol.WITHOUT_LINKS and "content" in result:
        blocks = [one for one in result["content"] if one["type"] != "resource_link"]
        result = result | {"content": blocks}
    return {"jsonrpc": "2.0", "id": asked.id, "result": result}


# Methods.


def _outcome(asked: Request, revision: str) -> Message | Waiting:
    """Raises ProtocolError."""
    methods = _METHODS | (_STATELESS if revision == protocol.STATELESS else _WITH_HANDSHAKE)
    if asked.method not in methods:
        raise ProtocolError(protocol.METHOD_NOT_FOUND, f"Method not found: {asked.method[:64]}")
    try:
        return methods[asked.method](asked)
    except errors.UnknownJob as error:
        old = revision != protocol.STATELESS
        code = protocol.RESOURCE_NOT_FOUND if old else protocol.INVALID_PARAMS
        raise ProtocolError(code, detail_of(error)) from None
    except errors.FluxkeepError as error:
        wrong = isinstance(error, errors.BadRequest)
        code = protocol.INVALID_PARAMS if wrong else protocol.INTERNAL_ERROR
        raise ProtocolError(code, detail_of(error)) from None


def _initialize(asked: Request) -> Message:
    wanted = asked.text("protocolVersion")
    newest = protocol.WITH_HANDSHAKE[-1]
    return {
        "protocolVersion": wanted if wanted in protocol.WITH_HANDSHAKE else newest,
        "capabilities": CAPABILITIES,
        "serverInfo": SERVER,
        "instructions": INSTRUCTIONS,
    }


def _call_tool(asked: Request) -> Message | Waiting:
    name, arguments = asked.text("name"), asked.params.get("arguments", {})
    if name not in TOOLS or not isinstance(arguments, dict):
        message = "`arguments` is an object." if name in TOOLS else f"Unknown tool: {name[:64]}"
        raise ProtocolError(protocol.INVALID_PARAMS, message)
    try:
        found = TOOLS[name].call(arguments)
    except errors.FluxkeepError as error:
        return content.error(detail_of(error))
    return found if isinstance(found, Waiting) else content.result(found)


def _cached(result: Message, scope: str = "public") -> Message:
    return result | {"ttlMs": CACHE_MILLISECONDS if scope == "public" else 0, "cacheScope": scope}


_METHODS: dict[str, Callable[[Request], Message | Waiting]] = {
    "tools/list": lambda _: _cached({"tools": [tool.describe() for tool in TOOLS.values()]}),
    "tools/call": _call_tool,
    "resources/templates/list": lambda _: _cached({"resourceTemplates": resources.TEMPLATES}),
    "resources/list": lambda asked: _cached(
        resources.listing(asked.params.get("cursor")), "private"
    ),
    "resources/read": lambda asked: _cached(resources.read(asked.text("uri")), "private"),
}
_WITH_HANDSHAKE = {"initialize": _initialize, "ping": lambda _: dict[str, Any]()}
_STATELESS = {
    "server/discover": lambda _: _cached(
        {
            "supportedVersions": protocol.REVISIONS,
            "capabilities": CAPABILITIES,
            "instructions": INSTRUCTIONS,
        }
    )
}
