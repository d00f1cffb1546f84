"""Methods of the Model Context Protocol that are answered here."""

from collections.abc import Callable

from flask import request
from pydantic_core import from_json

from jobs.domain import errors
from receiver.mcp import content, protocol, resources
from receiver.mcp.protocol import Message, ProtocolError, RpcRequest
from receiver.mcp.tools import DESCRIPTIONS, TOOLS, Waiting
from receiver.openapi import VERSION
from receiver.problem_details import detail_of

SERVER = {"name": "fluxkeep", "title": "Fluxkeep", "version": VERSION}
CAPABILITIES: Message = {"tools": {}, "resources": {}}
INSTRUCTIONS = (
    "Fluxkeep generates images and videos with FLUX models and keeps them. "
    "`generate` and `edit` cost credits. When a job is not done after the wait, call "
    "`wait_for_job` with its id until it is. When an answer is lost, `search_jobs` has the job: "
    "another `generate` would cost again."
)

Method = Callable[[RpcRequest], Message | Waiting]


def call(rpc_request: RpcRequest, revision: str) -> Message | Waiting:
    """The result of a request, or a job that the result waits for. Raises ProtocolError."""
    is_stateless = revision == protocol.STATELESS
    if is_stateless:
        rpc_request.require_metadata(request.headers)
    method = _method(rpc_request.method, is_stateless=is_stateless)
    try:
        return method(rpc_request)
    except errors.UnknownJob as error:
        code = protocol.RESOURCE_NOT_FOUND
        if is_stateless:
            code = protocol.INVALID_PARAMS
        uri = rpc_request.text("uri")[:200]
        raise ProtocolError(code, detail_of(error), uri=uri) from None
    except errors.BadRequest as error:
        raise ProtocolError(protocol.INVALID_PARAMS, detail_of(error)) from None
    except errors.FluxkeepError as error:
        raise ProtocolError(protocol.INTERNAL_ERROR, detail_of(error)) from None


def _method(name: str, *, is_stateless: bool) -> Method:
    """The method of this name in a revision. Raises ProtocolError."""
    if name in _OF_ALL_REVISIONS:
        return _OF_ALL_REVISIONS[name]
    if is_stateless and name in _STATELESS:
        return _STATELESS[name]
    if not is_stateless and name in _WITH_HANDSHAKE:
        return _WITH_HANDSHAKE[name]
    raise ProtocolError(protocol.METHOD_NOT_FOUND, f"Method not found: {name[:64]}")


def _initialize(rpc_request: RpcRequest) -> Message:
    revision = rpc_request.text("protocolVersion")
    if revision not in protocol.WITH_HANDSHAKE:
        revision = protocol.WITH_HANDSHAKE[-1]
    return {
        "protocolVersion": revision,
        "serverInfo": SERVER,
        "capabilities": CAPABILITIES,
        "instructions": INSTRUCTIONS,
    }


def _ping(_rpc_request: RpcRequest) -> Message:
    return {}


def _discover(_rpc_request: RpcRequest) -> Message:
    return {
        "supportedVersions": protocol.REVISIONS,
        "capabilities": CAPABILITIES,
        "instructions": INSTRUCTIONS,
    }


def _list_tools(_rpc_request: RpcRequest) -> Message:
    return {"tools": from_json(DESCRIPTIONS.read_bytes())}


def _call_tool(rpc_request: RpcRequest) -> Message | Waiting:
    name = rpc_request.text("name")
    arguments = rpc_request.params.get("arguments")
    if arguments is None:
        arguments = {}
    if name not in TOOLS:
        raise ProtocolError(protocol.INVALID_PARAMS, f"Unknown tool: {name[:64]}")
    if not isinstance(arguments, dict):
        raise ProtocolError(protocol.INVALID_PARAMS, "`arguments` is an object.")
    try:
        outcome = TOOLS[name].call(arguments)
    except errors.FluxkeepError as error:
        return content.error_result(detail_of(error))
    if isinstance(outcome, Waiting):
        return outcome
    return content.structured_result(outcome)


def _list_resource_templates(_rpc_request: RpcRequest) -> Message:
    return {"resourceTemplates": resources.TEMPLATES}


def _list_resources(rpc_request: RpcRequest) -> Message:
    return resources.list_resources(rpc_request.params.get("cursor"))


def _read_resource(rpc_request: RpcRequest) -> Message:
    return resources.read_resource(rpc_request.text("uri"))


_OF_ALL_REVISIONS: dict[str, Method] = {
    "tools/list": _list_tools,
    "tools/call": _call_tool,
    "resources/templates/list": _list_resource_templates,
    "resources/list": _list_resources,
    "resources/read": _read_resource,
}
_WITH_HANDSHAKE: dict[str, Method] = {"initialize": _initialize, "ping": _ping}
_STATELESS: dict[str, Method] = {"server/discover": _discover}
