"""Environment of the benchmarks: a fresh Redis with AOF, and web processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.bench import load
from tests.harness import Installation, RedisServer
from tests.harness.installation import WEBHOOK_SECRET

ROUNDS = 3
WARM_UP_SECONDS = 2


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

    def measured(self, installation: Installation, connections: int = 16) -> load.Result:
        """Median of several rounds after a warm-up, each with new callbacks."""
        self.round(installation, connections, WARM_UP_SECONDS)
        rounds = [self.round(installation, connections, 5) for _ in range(ROUNDS)]
        return load.Result(*(median(values) for values in zip(*rounds, strict=True)))

    def callbacks(self, count: int = load.BODIES) -> Path:
        """A file of new callbacks."""
        path = self.directory / "callbacks"
        load.write_callbacks(path, WEBHOOK_SECRET, count)
        return path

    def round(self, installation: Installation, connections: int, seconds: int) -> load.Result:
        return load.run(
            installation.url, self.callbacks(), connections=connections, seconds=seconds
        )


@contextmanager
def bench_environment() -> Iterator[BenchEnvironment]:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as directory:
        built = BenchEnvironment(Path(directory))
        try:
            yield built
        finally:
            built.redis.kill()
