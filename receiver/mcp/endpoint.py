"""`POST /mcp`: Streamable HTTP of the Model Context Protocol, without sessions."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, g, jsonify, make_response, request, stream_with_context
from flask.typing import ResponseReturnValue
from pydantic_core import from_json, to_json

from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.net import strict_json
from jobs.net.urls import parse
from receiver import input_body
from receiver.api.events import HEADERS
from receiver.api.long_poll import watch
from receiver.auth import require_scope
from receiver.context import current_services, part, reader_origin
from receiver.feed.broker import Broker
from receiver.mcp import content, protocol, resources
from receiver.mcp.protocol import Message, ProtocolError, Request
from receiver.mcp.tools import DESCRIPTIONS, TOOLS, Waiting
from receiver.openapi import VERSION
from receiver.problem_details import detail_of
from receiver.schemas.bodies import validate
from receiver.schemas.endpoint_spec import STREAM

# How long a client may keep a result, by its method.
CACHE = {
    **dict.fromkeys(("server/discover", "tools/list", "resources/templates/list"), 3_600_000),
    **dict.fromkeys(("resources/list", "resources/read"), 0),
}
PROGRESS_SECONDS = 5.0  # routers cut a silent stream off
THUMBNAIL_SECONDS = 3.0  # when the job has ended, and its image is too large
SERVER = {"name": "fluxkeep", "title": "Fluxkeep", "version": VERSION}
ABILITIES = {
    "capabilities": {"tools": {}, "resources": {}},
    "instructions": "Fluxkeep generates images and videos with FLUX models and keeps them. "
    "`generate` and `edit` cost credits. When a job is not done after the wait, call "
    "`wait_for_job` with its id until it is. When an answer is lost, `search_jobs` has the job: "
    "another `generate` would cost again.",
}

blueprint = Blueprint("mcp", __name__)


@blueprint.post("/mcp", strict_slashes=False)
def answer_message() -> ResponseReturnValue:
    """Answer one message: JSON, or a stream while a job is waited for with a progress token."""
    places = g.image_places = content.ImagePlaces()
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
    asked, request_id, revision = None, None, protocol.ASSUMED
    try:
        with input_body.received() as received:
            request_id = protocol.readable_id(received.fields)
            asked = validate(Request, received.fields)
            revision = asked.revision(request.headers)
            if "id" not in asked.model_fields_set:
                return "", HTTPStatus.ACCEPTED
            outcome = _outcome(asked, revision)
    except (errors.InvalidJson, errors.Invalid) as error:
        is_json = isinstance(error, errors.Invalid) or str(error) == strict_json.NO_OBJECT
        code = protocol.INVALID_REQUEST if is_json else protocol.PARSE_ERROR
        return _refusal(request_id, revision, ProtocolError(code, detail_of(error)))
    except ProtocolError as error:
        return _refusal(request_id, revision, error)
    respond = partial(_respond, asked, revision)
    if not isinstance(outcome, Waiting):
        return jsonify(respond(outcome))
    messages = _messages(_progress(outcome, asked.progress_token), respond)
    if asked.progress_token is None or STREAM not in request.headers.get("Accept", ""):
        return jsonify(deque(messages, maxlen=1).pop())
    events = (b"event: message\ndata: " + to_json(message) + b"\n\n" for message in messages)
    return Response(stream_with_context(events), mimetype=STREAM, headers=HEADERS)


def _require_own_origin() -> None:
    """Raises Forbidden for a page of another site, also one whose name leads to this machine."""
    origin, public_url = request.headers.get("Origin"), current_services().settings.public_url
    ours = parse(public_url or reader_origin() or current_services().base_url()).origin
    if origin is not None and not (origin == str(ours) and (public_url or ours.is_loopback)):
        raise errors.Forbidden("Pages of other origins may not call this.")


def _progress(waiting: Waiting, token: str | int | None) -> Generator[Message, None, Message]:
    """Notifications while the job is waited for; returns the result of the tool.

    A job that was submitted is never hidden by an error: its caller would pay for another.
    """
    began, noted, job = time.monotonic(), -PROGRESS_SECONDS, waiting.job
    try:
        with closing(_changes(waiting)) as changes:
            for change in changes:
                job, passed = change or job, time.monotonic() - began
                if change or passed >= noted + PROGRESS_SECONDS:
                    noted = passed
                    share = f", {job.progress:.0%}" if job.progress is not None else ""
                    told = {"progressToken": token, "progress": passed}
                    told["message"] = f"{job.status}{share}"
                    yield {"jsonrpc": "2.0", "method": "notifications/progress", "params": told}
    except (errors.TooManyWaiting, errors.StoreUnavailable):
        pass  # the job goes on, and the result says how to wait for it
    except errors.UnknownJob as error:
        return content.error(detail_of(error))
    try:
        result = content.job_result(current_services(), job)
    except errors.FluxkeepError as error:
        return content.error(f"{detail_of(error)} {content.how_to_wait(job)}")
    has_failed = job.status.terminal and job.status is not Status.STORED
    return result | ({"isError": True} if has_failed and not waiting.is_question else {})


def _changes(waiting: Waiting) -> Generator[Job | None]:
    job, broker = waiting.job, part(Broker)
    if not waiting.seconds:
        return
    for change in watch(current_services(), broker, job.id, waiting.seconds):
        job = change or job
        yield change
    if not content.is_shown(job):
        yield from watch(current_services(), broker, job.id, THUMBNAIL_SECONDS, content.is_shown)


def _refusal(
    request_id: str | int | None, revision: str, error: ProtocolError
) -> ResponseReturnValue:
    return jsonify(jsonrpc="2.0", id=request_id, error=error.body), error.status(revision)


def _messages(
    steps: Generator[Message, None, Message], respond: Callable[[Message], Message]
) -> Iterator[Message]:
    yield respond((yield from steps))


def _respond(asked: Request, revision: str, result: Message) -> Message:
    if revision == protocol.STATELESS:
        own = {f"{protocol.META}serverInfo": SERVER}
        result = result | {"resultType": "complete", "_meta": own}
        if (milliseconds := CACHE.get(asked.method)) is not None:
            result |= {"ttlMs": milliseconds, "cacheScope": "public" if milliseconds else "private"}
    if revision == protocol.ASSUMED and "content" in result:  # it knows no links
        blocks = [one for one in result["content"] if one["type"] != "resource_link"]
        result = result | {"content": blocks}
    return {"jsonrpc": "2.0", "id": asked.id, "result": result}


# Methods.


def _outcome(asked: Request, revision: str) -> Message | Waiting:
    """Raises ProtocolError."""
    is_stateless = revision == protocol.STATELESS
    if is_stateless:
        asked.require_metadata(request.headers)
    methods = _METHODS | (_STATELESS if is_stateless else _WITH_HANDSHAKE)
    if asked.method not in methods:
        raise ProtocolError(protocol.METHOD_NOT_FOUND, f"Method not found: {asked.method[:64]}")
    try:
        return methods[asked.method](asked)
    except errors.UnknownJob as error:
        code = protocol.INVALID_PARAMS if is_stateless else protocol.RESOURCE_NOT_FOUND
        raise ProtocolError(code, detail_of(error), uri=asked.text("uri")[:200]) from None
    except errors.FluxkeepError as error:
        is_wrong = isinstance(error, errors.BadRequest)
        code = protocol.INVALID_PARAMS if is_wrong else protocol.INTERNAL_ERROR
        raise ProtocolError(code, detail_of(error)) from None


def _initialize(asked: Request) -> Message:
    wanted, known = asked.text("protocolVersion"), protocol.WITH_HANDSHAKE
    revision = wanted if wanted in known else known[-1]
    return {"protocolVersion": revision, "serverInfo": SERVER, **ABILITIES}


def _call_tool(asked: Request) -> Message | Waiting:
    name, arguments = asked.text("name"), asked.params.get("arguments")
    if arguments is None:
        arguments = {}
    if name not in TOOLS:
        raise ProtocolError(protocol.INVALID_PARAMS, f"Unknown tool: {name[:64]}")
    if not isinstance(arguments, dict):
        raise ProtocolError(protocol.INVALID_PARAMS, "`arguments` is an object.")
    try:
        found = TOOLS[name].call(arguments)
    except errors.FluxkeepError as error:
        return content.error(detail_of(error))
    return found if isinstance(found, Waiting) else content.result(found)


_METHODS: dict[str, Callable[[Request], Message | Waiting]] = {
    "tools/list": lambda _: {"tools": from_json(DESCRIPTIONS.read_bytes())},
    "tools/call": _call_tool,
    "resources/templates/list": lambda _: {"resourceTemplates": resources.TEMPLATES},
    "resources/list": lambda asked: resources.listing(asked.params.get("cursor")),
    "resources/read": lambda asked: resources.read(asked.text("uri")),
}
_WITH_HANDSHAKE = {"initialize": _initialize, "ping": lambda _: dict[str, Any]()}
_STATELESS = {"server/discover": lambda _: {"supportedVersions": protocol.REVISIONS, **ABILITIES}}
