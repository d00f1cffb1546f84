"""Latency of long polls, and their effect on callbacks."""

import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.harness import Installation, RedisServer
from tests.harness.crowd import LongPollClients
from tests.harness.installation import KEYS
from tests.harness.waiting_jobs import (
    CLIENTS,
    SETTLED_SECONDS,
    SteadyCallbacks,
    put_jobs,
    redis_connections,
)

WAITING = (0, 100, CLIENTS)
CALLS = 500


def main() -> None:
    print("| waiting | callbacks p50 ms | p99 ms | answers p50 ms | p99 ms | max | connections |")
    print("|---|---|---|---|---|---|---|")
    for waiting in WAITING:
        with TemporaryDirectory(prefix="fluxkeep-bench-") as directory:
            print(_row(Path(directory), waiting), flush=True)


def _row(directory: Path, waiting: int) -> str:
    redis = RedisServer(directory / "redis")
    web = Installation(directory, redis, LOG_LEVEL="WARNING")
    try:
        web.start("web")
        web.wait_until_ready()
        callbacks, answers = _measured(web, waiting)
        connections = redis_connections(web)
    finally:
        web.close()
        redis.kill()
    late = f"{median(answers):.0f} | {_p99(answers):.0f} | {max(answers):.0f}" if answers else "| |"
    called = f"{median(callbacks):.0f} | {_p99(callbacks):.0f}"
    return f"| {waiting} | {called} | {late} | {connections} |"


def _measured(web: Installation, waiting: int) -> tuple[list[float], list[float]]:
    """Milliseconds of callbacks, and from the end of a job to the answer of its long poll."""
    client = web.client()
    names = put_jobs(client, CALLS)
    paths = {name: f"/api/jobs/{name}?wait=60" for name in names[:waiting]}
    with LongPollClients(web.url, KEYS["read"]) as clients:
        clients.ask(paths.values())
        time.sleep(SETTLED_SECONDS)
        calls = SteadyCallbacks(client, names)
        clients.gather(60)
        calls.join()
        late = [
            ((clients.askers[path].answered_at or 0) - calls.ended[name]) * 1000
            for name, path in paths.items()
        ]
    return [seconds * 1000 for seconds in calls.seconds], late


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99) - 1]


if __name__ == "__main__":
    main()
