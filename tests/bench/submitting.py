"""Latency that Fluxkeep adds to a submission while slots are free."""

import time
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import requests

from tests.harness.client import Client
from tests.harness.stack import Stack, running_stack

JOBS = 60
WARM_UP = 5
SLOW = {"seconds": 5.0, "callback": "never"}
INPUT = {"prompt": "a lighthouse at dawn", "sandbox": SLOW}


def main() -> None:
    """Submit jobs one after the other."""
    settings = {"LOG_LEVEL": "WARNING", "MAX_ACTIVE": "1000"}
    with (
        TemporaryDirectory(prefix="fluxkeep-bench-") as directory,
        running_stack(Path(directory), None, None, **settings) as stack,
    ):
        stack.box.settings.max_active = 1000
        own = [_own(stack.client) for _ in range(WARM_UP + JOBS)][WARM_UP:]
        bfl = [_direct(stack) for _ in range(WARM_UP + JOBS)][WARM_UP:]
    print(_table(own, bfl))


def _own(client: Client) -> float:
    """Milliseconds from `queued` to `submitted`, including BFL's own time."""
    answer = client.request("POST", "/api/jobs", json={"model": "flux-2-pro", "input": INPUT})
    job = client.wait_for(answer.json()["id"], "submitted", "ready", "stored")
    moments = {line["event"]: line["at"] for line in job["timeline"]}
    return (_at(moments["submission.accepted"]) - _at(moments["submission.queued"])) * 1000


def _direct(stack: Stack) -> float:
    """Milliseconds of the same submission to the sandbox."""
    url, headers = f"{stack.box.url}/v1/flux-2-pro", {"x-key": "bfl-key"}
    started = time.perf_counter()
    requests.post(url, json=INPUT, headers=headers, timeout=5).raise_for_status()
    return (time.perf_counter() - started) * 1000


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _table(own: list[float], bfl: list[float]) -> str:
    rows: list[tuple[str, Any, Any]] = [
        ("queued to submitted, through Fluxkeep", median(own), quantiles(own, n=20)[-1]),
        ("the sandbox's own answer", median(bfl), quantiles(bfl, n=20)[-1]),
    ]
    lines = [f"| {name} | {mid:.1f} | {high:.1f} |" for name, mid, high in rows]
    added = median(own) - median(bfl)
    return "\n".join(
        (
            "| one at a time | p50 ms | p95 ms |",
            "|---|---|---|",
            *lines,
            "",
            f"Added: {added:.1f} ms",
        )
    )
