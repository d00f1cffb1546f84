"""Calls with the official Python client of MCP, told on stdin; the answers go to stdout as JSON."""

import asyncio
import json
import sys
from typing import Any

from httpx2 import AsyncClient
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def run(asked: dict[str, Any]) -> list[Any]:
    headers = {"x-key": asked["key"]}
    async with AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(asked["url"], http_client=http)
        async with Client(transport) as client:
            return [
                client.protocol_version,
                *[await _call(client, call) for call in asked["calls"]],
            ]


async def _call(client: Any, call: list[Any]) -> Any:
    method, *arguments = call
    progress: list[Any] = []

    async def note(value: float, _total: float | None, message: str | None) -> None:
        progress.append([value, message])

    try:
        options = {"progress_callback": note} if method == "call_tool_with_progress" else {}
        method = method.removesuffix("_with_progress")
        answer = await getattr(client, method)(*arguments, **options)
    except Exception as error:  # noqa: BLE001 - whatever a user of the client would see
        return {"error": {"name": type(error).__name__, "message": str(error)}}
    return answer.model_dump(mode="json", by_alias=True, exclude_none=True) | {"progress": progress}


if __name__ == "__main__":
    json.dump(asyncio.run(run(json.load(sys.stdin))), sys.stdout)
