"""One web process alone: callbacks that bring nothing to fetch need no worker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.installation import Installation
from tests.harness.redis_server import RedisServer


@contextmanager
def lone_web(directory: Path, redis: RedisServer) -> Iterator[Installation]:
    """It serves many tests: `as_new` comes before each."""
    alone = Installation(directory, redis)
    try:
        alone.start("web")
        alone.wait_until_ready()
        yield alone
    finally:
        alone.close()


def as_new(alone: Installation) -> Installation:
    """It runs, whatever was done to it, and knows of no job."""
    with alone.redis.client() as redis:
        redis.flushall()
    if not alone.web:
        alone.start("web")
    alone.wait_until_ready()
    return alone
