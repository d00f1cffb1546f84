"""`make soak`: a thousand jobs through a minute without Redis and a kill every few seconds."""

import argparse
import secrets
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.soak.storm import Storm
from tests.harness import Installation, RedisServer
from tests.sandbox import Sandbox


def main() -> None:
    given = _arguments()
    print(f"seed {given.seed}: repeat with --seed {given.seed}", flush=True)
    with TemporaryDirectory(prefix="fluxkeep-soak-") as directory, Sandbox() as sandbox:
        sandbox.settings.max_active = given.jobs + 1
        redis = RedisServer(Path(directory) / "redis")
        installation = Installation(
            Path(directory), redis, sandbox.url, CALLBACK_GRACE="2", GIVE_UP_AFTER="3600"
        )
        try:
            _weather(installation, sandbox, given)
        finally:
            installation.close()
            redis.kill()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without Redis")
    parser.add_argument("--patience", type=float, default=900.0, help="seconds until it must end")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    return parser.parse_args()


def _weather(installation: Installation, sandbox: Sandbox, given: argparse.Namespace) -> None:
    installation.start("web", "sweep")
    installation.start("worker", n=2)
    installation.wait_until_ready()
    began = time.monotonic()
    storm = Storm(installation, sandbox, given.jobs, given.outage, given.seed)
    jobs = storm.run(given.timeouts)
    seconds = time.monotonic() - began
    print(f"{len(jobs)} jobs stored, one object each, in {seconds:.0f} s; killed: {storm.kills}")


if __name__ == "__main__":
    main()
