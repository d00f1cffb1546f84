"""Environment of the benchmarks: a fresh Redis with AOF, and web processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import load
from tests.harness import Installation, RedisServer
from tests.harness.installation import WEBHOOK_SECRET


class BenchEnvironment:
    """A Redis, and web processes over it."""

    def __init__(self, directory: Path) -> None:
        self.redis = RedisServer(directory / "redis")
        self.directory = directory

    @contextmanager
    def web(self, **settings: str) -> Iterator[Installation]:
        """Run the Procfile's `web` command, with two processes."""
        variables = {"WEB_CONCURRENCY": "2", "LOG_LEVEL": "WARNING", **settings}
        installation = Installation(self.directory, self.redis, **variables)
        installation.start("web")
        installation.wait_until_ready()
        try:
            yield installation
        finally:
            installation.stop()
            installation.close()

    def callbacks(self, count: int = load.BODIES) -> Path:
        """A file of new callbacks."""
        path = self.directory / "callbacks"
        load.write_callbacks(path, WEBHOOK_SECRET, count)
        return path


@contextmanager
def bench_environment() -> Iterator[BenchEnvironment]:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as directory:
        built = BenchEnvironment(Path(directory))
        try:
            yield built
        finally:
            built.redis.kill()
