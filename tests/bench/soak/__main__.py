"""`make soak`: a thousand jobs, a minute without Redis, a killed process every few seconds."""

import argparse
import secrets
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.soak.run import SoakRun
from tests.harness import Installation, RedisServer
from tests.sandbox import Sandbox


def main() -> None:
    options = _arguments()
    print(f"seed {options.seed}: repeat with --seed {options.seed}", flush=True)
    with TemporaryDirectory(prefix="fluxkeep-soak-") as directory, Sandbox() as sandbox:
        sandbox.settings.max_active = options.jobs + 1
        redis = RedisServer(Path(directory) / "redis")
        installation = Installation(
            Path(directory), redis, sandbox.url, CALLBACK_GRACE="2", GIVE_UP_AFTER="3600"
        )
        try:
            _soak(installation, sandbox, options)
        finally:
            installation.close()
            redis.kill()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without Redis")
    parser.add_argument(
        "--timeout", type=float, default=900.0, help="seconds until all jobs must end"
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    return parser.parse_args()


def _soak(installation: Installation, sandbox: Sandbox, options: argparse.Namespace) -> None:
    installation.start("web", "sweep")
    installation.start("worker", n=2)
    installation.wait_until_ready()
    began = time.monotonic()
    run = SoakRun(installation, sandbox, options.jobs, options.outage, options.seed)
    jobs = run.run(options.timeout)
    seconds = time.monotonic() - began
    print(f"{len(jobs)} jobs stored, one object each, in {seconds:.0f} s; killed: {run.kills}")


if __name__ == "__main__":
    main()
