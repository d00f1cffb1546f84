"""Time to the first byte of the dashboard's pages by number of stored jobs."""

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.bench.search import stored_job
from tests.harness import Installation, RedisServer, stock
from tests.system.dashboard.visitor import Visitor

FEW, MANY = 100, 100_000
TURNS = 60
PAGES = {
    "the gallery": "/",
    "the list": "/?view=list",
    "by model": "/?model=model-3&limit=10",
    "one job": f"/jobs/{0:036}",
}


def main() -> None:
    few, many = _measured(FEW), _measured(MANY)
    print(f"| p50, ms | {FEW:,} jobs | {MANY:,} jobs | ratio |\n|---|---|---|---|")
    for name in PAGES:
        print(f"| {name} | {few[name]:.1f} | {many[name]:.1f} | {many[name] / few[name]:.2f} |")


def _measured(size: int) -> dict[str, float]:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as directory:
        redis = RedisServer(Path(directory) / "redis")
        installation = Installation(Path(directory), redis, LOG_LEVEL="WARNING")
        try:
            with redis.client() as client:
                stock.put_in(client, map(stored_job, range(size)))
            installation.start("web")
            installation.wait_until_ready()
            visitor = Visitor(installation.url, "read")
            return {name: _milliseconds(visitor, path) for name, path in PAGES.items()}
        finally:
            installation.close()
            redis.kill()


def _milliseconds(visitor: Visitor, path: str) -> float:
    """Median time until the headers have arrived."""
    answers = [visitor.get(path) for _ in range(TURNS)]
    for answer in answers:
        answer.raise_for_status()
    return median(answer.elapsed.total_seconds() * 1000 for answer in answers)
