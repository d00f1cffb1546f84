"""Where the measuring happens: a fresh Redis with AOF, a web process, nothing else running."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.bench import load
from tests.harness import Installation, RedisServer
from tests.harness.installation import WEBHOOK_SECRET

OURS = "receiver:create_app()"
BARE = "tests.bench.bare:create_app()"
PLAIN = "tests.bench.bare:create_plain_app()"
TURNS = 3
WARM_UP_SECONDS = 2


class Stage:
    """Web processes of different applications over the same Redis, by turns."""

    def __init__(self, directory: Path) -> None:
        self.redis = RedisServer(directory / "redis")
        self.directory = directory
        self.pictures = ""  # where a delivery host listens, if one does

    @contextmanager
    def web(self, app: str, **settings: str) -> Iterator[Installation]:
        """An application in the web process of the Procfile, two processes unless said."""
        chosen = {"WEB_CONCURRENCY": "2", "LOG_LEVEL": "WARNING", **settings}
        installation = Installation(self.directory, self.redis, **chosen)
        command = installation.commands["web"]
        installation.commands["web"] = [app if part == OURS else part for part in command]
        installation.start("web")
        installation.wait_until_ready()
        try:
            yield installation
        finally:
            installation.stop()
            installation.close()

    def measured(self, installation: Installation, connections: int = 16) -> load.Result:
        """The median of several turns after a warm-up, each with callbacks of its own."""
        self.turn(installation, connections, WARM_UP_SECONDS)
        turns = [self.turn(installation, connections, 5) for _ in range(TURNS)]
        return load.Result(*(median(values) for values in zip(*turns, strict=True)))

    def callbacks(self, delivery: str = load.DELIVERY, count: int = load.BODIES) -> Path:
        """A file of callbacks that were never sent before."""
        path = self.directory / "callbacks"
        load.write_callbacks(path, WEBHOOK_SECRET, count, delivery)
        return path

    def turn(self, installation: Installation, connections: int, seconds: int) -> load.Result:
        return load.run(
            installation.url, self.callbacks(), connections=connections, seconds=seconds
        )


@contextmanager
def stage() -> Iterator[Stage]:
    with TemporaryDirectory(prefix="fluxkeep-bench-") as directory:
        built = Stage(Path(directory))
        try:
            yield built
        finally:
            built.redis.kill()
