"""Cost of a job: CPU seconds by kind of process, and commands and bytes of Redis."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jobs.status import Status
from jobs.store.keys import STATUS_PREFIX, THUMBNAILS
from tests.harness import processes
from tests.harness.stack import Stack, running_stack
from tests.sandbox import Settings as SandboxSettings

JOBS = 200
PER = 1000
SETTINGS = {"WEB_CONCURRENCY": "2", "WORKER_CONCURRENCY": "2", "LOG_LEVEL": "WARNING"}
KINDS = ("web", "worker", "sweep", "redis")
REDIS_COUNTS = ("total_commands_processed", "total_net_input_bytes", "total_net_output_bytes")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
WAIT_SECONDS = 300
POLL_SECONDS = 2.0


@dataclass
class Cost:
    """CPU seconds by kind of process, and counters of Redis."""

    seconds: dict[str, float] = field(default_factory=dict)
    redis: dict[str, float] = field(default_factory=dict)

    def since(self, before: "Cost") -> "Cost":
        return Cost(
            {name: value - before.seconds[name] for name, value in self.seconds.items()},
            {name: value - before.redis[name] for name, value in self.redis.items()},
        )


def main() -> None:
    print(f"| per {PER:,} jobs | CPU s: {', '.join(KINDS)} | Redis calls, kB in, kB out |")
    print("|---|---|---|")
    with running_fluxkeep() as stack:
        _receive_callbacks(stack, 8)  # warm
        _print(
            "submitted elsewhere, called back, stored, with thumbnail",
            _cost(stack, _receive_callbacks),
        )
        _submit(stack, 8)
        _print("submitted by Fluxkeep, called back, stored, with thumbnail", _cost(stack, _submit))
        _print("read once (GET)", _cost(stack, _get))


@contextmanager
def running_fluxkeep() -> Iterator[Stack]:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as directory:
        settings = {**SETTINGS, "MAX_ACTIVE": str(JOBS)}
        sandbox = SandboxSettings(max_active=JOBS)
        with running_stack(Path(directory), sandbox, None, **settings) as stack:
            yield stack


def _receive_callbacks(stack: Stack, number: int) -> None:
    expected = _stored(stack) + number
    for _ in range(number):
        stack.generate()
    _wait_for_thumbnails(stack, expected)


def _submit(stack: Stack, number: int) -> None:
    expected = _stored(stack) + number
    submission = {"model": "flux-2-pro", "input": {"prompt": "a fox", "sandbox": {"seconds": 0.02}}}
    for _ in range(number):
        stack.client.request("POST", "/api/jobs", json=submission).raise_for_status()
    _wait_for_thumbnails(stack, expected)


def _get(stack: Stack, number: int) -> None:
    ids = [job["id"] for job in stack.client.get("/api/jobs", limit=number).json()["jobs"]]
    for job_id in (ids * number)[:number]:
        stack.client.job(job_id)


def _wait_for_thumbnails(stack: Stack, stored: int) -> None:
    """Poll rarely: polling is work for Redis, too."""
    until = time.monotonic() + WAIT_SECONDS
    while _stored(stack) < stored or _missing_thumbnails(stack):
        if time.monotonic() > until:
            raise TimeoutError(f"not all of {stored} jobs were stored with thumbnails")
        time.sleep(POLL_SECONDS)


def _missing_thumbnails(stack: Stack) -> int:
    with stack.installation.redis.client() as client:
        found: Any = client.zcard(THUMBNAILS)
    return int(found)


def _stored(stack: Stack) -> int:
    with stack.installation.redis.client() as client:
        found: Any = client.zcard(STATUS_PREFIX + Status.STORED)
    return int(found)


def _cost(stack: Stack, work: Any) -> Cost:
    before = _total_cost(stack)
    work(stack, JOBS)
    return _total_cost(stack).since(before)


def _total_cost(stack: Stack) -> Cost:
    found = {name: sum(map(_seconds, _pids(stack, name))) for name in KINDS}
    with stack.installation.redis.client() as client:
        info: Any = client.info("stats")
    return Cost(found, {name: float(info[name]) for name in REDIS_COUNTS})


def _pids(stack: Stack, name: str) -> list[int]:
    if name == "redis":
        popen = stack.installation.redis._popen  # noqa: SLF001 - only this benchmark needs its id
        assert popen is not None
        return processes.members(popen.pid)
    (process,) = [one for one in stack.installation.running[name] if one.alive]
    return [process.pid, *process.offspring()]


def _seconds(pid: int) -> float:
    """CPU seconds of a process and of its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS_PER_SECOND


def _print(name: str, cost: Cost) -> None:
    times = PER / JOBS
    seconds = ", ".join(f"{cost.seconds[kind] * times:.1f}" for kind in KINDS)
    calls, taken, given = (cost.redis[name] * times for name in REDIS_COUNTS)
    print(f"| {name} | {seconds} | {calls:,.0f}, {taken / 1000:,.0f}, {given / 1000:,.0f} |")
