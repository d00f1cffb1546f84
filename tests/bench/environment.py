"""Environment of the benchmarks: a fresh Redis with AOF, and web processes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import load
from tests.harness import Installation, RedisServer
from tests.harness.installation import WEBHOOK_SECRET


class BenchEnvironment:
    """A Redis, and web processes over it."""

    def __init__(self, redis: RedisServer, directory: Path) -> None:
        self.redis, self.directory = redis, directory

    @contextmanager
    def web(self, **settings: str) -> Iterator[Installation]:
        """Run the Procfile's `web` command, with two processes."""
        variables = {"WEB_CONCURRENCY": "2", "LOG_LEVEL": "WARNING", **settings}
        with Installation(self.directory, self.redis, **variables) as installation:
            installation.start("web")
            yield installation
            installation.stop()

    def callbacks(self, count: int = load.BODIES) -> Path:
        """A file of new callbacks."""
        path = self.directory / "callbacks"
        load.write_callbacks(path, WEBHOOK_SECRET, count)
        return path


@contextmanager
def bench_environment() -> Iterator[BenchEnvironment]:
    with (
        TemporaryDirectory(prefix="fluxkeep-bench-") as name,
        RedisServer(Path(name) / "redis") as redis,
    ):
        yield BenchEnvironment(redis, Path(name))


def milliseconds(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000
