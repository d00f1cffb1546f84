"""Syntax check of every Lua script, by the server that will run it: `make style` calls this."""

import sys
import tempfile
from pathlib import Path

from redis import Redis
from redis.exceptions import ResponseError

from deploy.local_redis import LocalRedis
from deploy.procfile import ROOT


def errors(directory: Path) -> list[str]:
    """One line for each script under `directory` that Lua cannot compile."""
    scripts = sorted(directory.rglob("*.lua"))
    if not scripts:
        return []
    with tempfile.TemporaryDirectory() as data:
        local = LocalRedis(Path(data))
        with local.running(), Redis.from_url(local.url) as redis:
            found = [(path.relative_to(directory), _error(redis, path)) for path in scripts]
    return [f"{path}: {error}" for path, error in found if error]


def _error(redis: Redis, path: Path) -> str | None:
    try:
        redis.script_load(path.read_bytes())
    except ResponseError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit("\n".join(f"jobs/{line}" for line in errors(ROOT / "jobs")) or None)
