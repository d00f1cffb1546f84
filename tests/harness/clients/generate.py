"""One generation with BFL's own Python client, told on stdin; what came of it goes to stdout."""

import contextlib
import hashlib
import json
import sys
import time
from typing import Any

import requests
from blackforest import BFLClient, BFLError
from blackforest.types.general.client_config import ClientConfig

POLL_SECONDS = 0.2
TIMEOUT_SECONDS = 30


def generate(request: dict[str, Any]) -> dict[str, Any]:
    client = BFLClient(request["key"], base_url=request["url"])
    wait = _in_one_call if request["client"] == "blackforest-sync" else _step_by_step
    # The client leaves fetching to its user, who shows no key.
    result = wait(client, request)
    answer = requests.get(result["sample"], timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    return {
        "sha256": hashlib.sha256(answer.content).hexdigest(),
        "bytes": len(answer.content),
        "kind": answer.headers["Content-Type"],
        "metadata": result,
    }


def _in_one_call(client: BFLClient, request: dict[str, Any]) -> dict[str, Any]:
    polls = round(request["patience"] / POLL_SECONDS)
    config = ClientConfig(sync=True, polling_interval=POLL_SECONDS, max_retries=polls)
    answer = client.generate(request["model"], _inputs(request), config)
    found: dict[str, Any] = answer.result
    return found


def _step_by_step(client: BFLClient, request: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + request["patience"]
    task = client.generate(request["model"], _inputs(request), ClientConfig(sync=False))
    while (told := client.get_task_status(task.id)).status == "Pending":
        if time.monotonic() > deadline:
            raise TimeoutError("still pending")
        time.sleep(POLL_SECONDS)
    if told.status != "Ready":
        raise BFLError(told.status)
    result: dict[str, Any] = told.result
    return result


def _inputs(request: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": request["prompt"], **request["input"]}


def main() -> None:
    request = json.load(sys.stdin)
    try:
        # It prints each poll.
        with contextlib.redirect_stdout(sys.stderr):
            outcome = generate(request)
    except Exception as error:  # noqa: BLE001 - whatever a user of the client would see
        outcome = {"error": {"name": type(error).__name__, "message": str(error)}}
    json.dump(outcome, sys.stdout)


if __name__ == "__main__":
    main()
