"""`POST /mcp`: Streamable HTTP of the Model Context Protocol, without sessions."""

from collections.abc import Generator, Iterator
from http import HTTPStatus

from flask import Blueprint, Response, g, jsonify, make_response, request, stream_with_context
from flask.typing import ResponseReturnValue
from pydantic_core import to_json

from jobs.domain import errors
from jobs.net import strict_json
from jobs.net.urls import parse
from receiver import input_body
from receiver.api.events import HEADERS
from receiver.auth import require_scope
from receiver.context import current_services, reader_origin
from receiver.mcp import content, methods, progress, protocol
from receiver.mcp.protocol import Message, ProtocolError, RpcRequest
from receiver.mcp.tools import Waiting
from receiver.problem_details import detail_of
from receiver.schemas.bodies import validate
from receiver.schemas.endpoint_spec import STREAM

# How long a client may keep a result, by its method.
HOUR_MILLISECONDS = 3_600_000
CACHE_MILLISECONDS = {
    "server/discover": HOUR_MILLISECONDS,
    "tools/list": HOUR_MILLISECONDS,
    "resources/templates/list": HOUR_MILLISECONDS,
    "resources/list": 0,
    "resources/read": 0,
}

blueprint = Blueprint("mcp", __name__)


@blueprint.post("/mcp", strict_slashes=False)
def answer_message() -> ResponseReturnValue:
    """Answer one message: JSON, or a stream while a job is waited for with a progress token."""
    places = content.ImagePlaces()
    g.image_places = places
    try:
        response = make_response(_answer())
    except BaseException:  # a killed greenlet, too, gives back what it holds
        places.give_back()
        raise
    response.call_on_close(places.give_back)
    return response


def _answer() -> ResponseReturnValue:
    _require_own_origin()
    require_scope("read")
    request_id = None
    revision = protocol.ASSUMED
    try:
        with input_body.receive() as received:
            request_id = protocol.readable_id(received.fields)
            rpc_request = validate(RpcRequest, received.fields)
            revision = rpc_request.revision(request.headers)
            if "id" not in rpc_request.model_fields_set:  # a notification
                return "", HTTPStatus.ACCEPTED
            outcome = methods.call(rpc_request, revision)
    except (errors.InvalidJson, errors.Invalid) as error:
        return _refusal(request_id, revision, ProtocolError(_code_of(error), detail_of(error)))
    except ProtocolError as error:
        return _refusal(request_id, revision, error)
    if isinstance(outcome, Waiting):
        return _waiting_response(rpc_request, revision, outcome)
    return jsonify(_response(rpc_request, revision, outcome))


def _require_own_origin() -> None:
    """Raises Forbidden for a page of another site, also one whose name leads to this machine."""
    origin = request.headers.get("Origin")
    if origin is None:
        return
    public_url = current_services().settings.public_url
    own_url = public_url or reader_origin() or current_services().base_url()
    own_origin = parse(own_url).origin
    is_trustworthy = bool(public_url) or own_origin.is_loopback
    if origin != str(own_origin) or not is_trustworthy:
        raise errors.Forbidden("Pages of other origins may not call this.")


def _code_of(error: errors.InvalidJson | errors.Invalid) -> int:
    is_json = isinstance(error, errors.Invalid) or str(error) == strict_json.NO_OBJECT
    if is_json:
        return protocol.INVALID_REQUEST
    return protocol.PARSE_ERROR


def _refusal(
    request_id: protocol.RequestId | None, revision: str, error: ProtocolError
) -> ResponseReturnValue:
    return jsonify(jsonrpc="2.0", id=request_id, error=error.body), error.status(revision)


# Responses.


def _response(rpc_request: RpcRequest, revision: str, result: Message) -> Message:
    if revision == protocol.STATELESS:
        result = _with_metadata(rpc_request.method, result)
    if revision == protocol.ASSUMED and "content" in result:
        result = _without_links(result)
    return {"jsonrpc": "2.0", "id": rpc_request.id, "result": result}


def _with_metadata(method: str, result: Message) -> Message:
    """A result as a request without a handshake needs it."""
    complete_result = dict(result)
    complete_result["resultType"] = "complete"
    complete_result["_meta"] = {f"{protocol.META}serverInfo": methods.SERVER}
    milliseconds = CACHE_MILLISECONDS.get(method)
    if milliseconds is not None:
        complete_result["ttlMs"] = milliseconds
        complete_result["cacheScope"] = "public" if milliseconds else "private"
    return complete_result


def _without_links(result: Message) -> Message:
    """A result for the assumed revision, which has no links to resources."""
    blocks = [block for block in result["content"] if block["type"] != "resource_link"]
    plain_result = dict(result)
    plain_result["content"] = blocks
    return plain_result


def _waiting_response(
    rpc_request: RpcRequest, revision: str, waiting: Waiting
) -> ResponseReturnValue:
    """The response to a tool that waits: a stream if the client takes one, else the result."""
    notifications = progress.notifications(waiting, rpc_request.progress_token)
    messages = _messages(rpc_request, revision, notifications)
    takes_stream = STREAM in request.headers.get("Accept", "")
    if rpc_request.progress_token is None or not takes_stream:
        return jsonify(_await_last(messages))
    events = stream_with_context(_format_events(messages))
    return Response(events, mimetype=STREAM, headers=HEADERS)


def _messages(
    rpc_request: RpcRequest, revision: str, notifications: Generator[Message, None, Message]
) -> Iterator[Message]:
    """The notifications, then the response."""
    result = yield from notifications
    yield _response(rpc_request, revision, result)


def _await_last(messages: Iterator[Message]) -> Message:
    latest = next(messages)
    for message in messages:
        latest = message
    return latest


def _format_events(messages: Iterator[Message]) -> Iterator[bytes]:
    """The messages as Server-Sent Events."""
    for message in messages:
        yield b"event: message\ndata: " + to_json(message) + b"\n\n"
