"""Latency of a page of search results by number of stored jobs."""

import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from redis import Redis

from jobs.job import Job
from jobs.record import MediaFile
from jobs.status import Source, Status
from jobs.store.search import Search
from jobs.timeline import EventCode, TimelineEvent
from jobs.timeouts import Timeouts
from tests.harness import stock
from tests.harness.parts import Parts
from tests.harness.redis_server import RedisServer

SIZES = (1_000, 100_000, 1_000_000)
TURNS = 20
LIMIT = 50
START = 1_700_000_000.0
TIMEOUTS = Timeouts(callback_grace=60.0, give_up_after=3600.0)

SEARCHES = {
    "everything": Search(),
    "status=stored": Search(statuses=(Status.STORED,)),
    "model, 1 job in 10": Search(model="model-3"),
    "source, 1 in 100": Search(source=Source.POLL),
    "metadata, 1 in 1,000": Search(metadata=(("user", "13"),)),
    "status, model and metadata": Search(
        statuses=(Status.STORED,), model="model-3", metadata=(("user", "13"),)
    ),
    "model and a period": Search(model="model-3", since=START + 400, until=START + 600),
    "model and metadata without a common job": Search(model="model-4", metadata=(("half", "1"),)),
}


def main() -> None:
    columns = [_column(size) for size in SIZES]
    print(f"| page of {LIMIT}, p50 ms | " + " | ".join(f"{size:,} jobs" for size in SIZES) + " |")
    print("|---" * (len(SIZES) + 1) + "|")
    for name in SEARCHES:
        print(f"| {name} | " + " | ".join(f"{column[name]:.1f}" for column in columns) + " |")
    print(f"\nMemory of a stored job with two metadata: {columns[1]['memory']:.0f} bytes")


def _column(size: int) -> dict[str, float]:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as directory:
        server = RedisServer(Path(directory))
        try:
            with server.client() as redis:
                before = _memory(redis)
                redis.config_set("appendonly", "no")
                stock.put_in(redis, map(stored_job, range(size)))
                used = (_memory(redis) - before) / size
                return {"memory": used, **_measured(Parts.over(redis))}
        finally:
            server.kill()


def stored_job(n: int) -> Job:
    """A job after its rescue, with an id as long as BFL's."""
    at = START + n
    image = MediaFile(
        key=f"2026/01/31/{n:036}-0.jpeg",
        content_type="image/jpeg",
        bytes=1_048_576,
        sha256="5" * 64,
        width=1024,
        height=1024,
    )
    events = (EventCode.JOB_EXPECTED, EventCode.CALLBACK_ACCEPTED, EventCode.JOB_STORED)
    return replace(
        Job.expected(f"{n:036}", at, TIMEOUTS),
        status=Status.STORED,
        model=f"model-{n % 10}",
        source=Source.POLL if n % 100 == 0 else Source.CALLBACK,
        metadata={"user": n % 1000, "half": n % 2},
        media=(image,),
        timeline=tuple(TimelineEvent(at, event) for event in events),
        check=replace(Job.expected(f"{n:036}", at, TIMEOUTS).check, next_check_at=None),
    )


def _measured(parts: Parts) -> dict[str, float]:
    return {name: _milliseconds(parts, search) for name, search in SEARCHES.items()}


def _milliseconds(parts: Parts, search: Search) -> float:
    turns = []
    for _ in range(TURNS):
        began = time.perf_counter()
        parts.listing.page(search, LIMIT, None)
        turns.append((time.perf_counter() - began) * 1000)
    return median(turns)


def _memory(redis: Redis) -> int:
    found: Any = redis.info("memory")
    return int(found["used_memory"])


if __name__ == "__main__":
    main()
