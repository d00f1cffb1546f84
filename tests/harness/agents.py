"""Agents: the official clients of MCP as processes, and messages as they stand on the wire."""

import sys
from typing import Any

from tests.harness.third_party_clients import PROGRAMS, javascript, outcome

# Each with the revision that it agrees on: only the older one shakes hands.
CLIENTS = {"python": "2026-07-28", "typescript": "2025-11-25"}

Call = tuple[Any, ...]  # a method of the client, and its arguments


def talk(client: str, url: str, key: str, *calls: Call) -> list[dict[str, Any]]:
    """The answers to calls in one session. Raises CalledProcessError."""
    is_python = client == "python"
    program = str(PROGRAMS / ("mcp_session.py" if is_python else "mcp_session.mjs"))
    command = [sys.executable, program] if is_python else [*javascript(), program]
    given = {"url": f"{url}/mcp", "key": key, "calls": calls}
    revision, *answers = outcome(command, given)
    assert revision == CLIENTS[client]
    return list(answers)


def message(method: str, request_id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    return message("tools/call", name=name, arguments=arguments)
