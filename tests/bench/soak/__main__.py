"""`make soak`: 10,000 jobs, a minute without Redis, a failover, a killed process every 2-5 s."""

import argparse
import secrets
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.soak.plan import Plan
from tests.bench.soak.run import soak_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without Redis")
    parser.add_argument(
        "--timeout", type=float, default=7200.0, help="seconds until all jobs must end"
    )
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}: repeat with --seed {options.seed}", flush=True)
    plan = Plan(options.jobs, options.seed, options.outage, timeout_seconds=options.timeout)
    with (
        TemporaryDirectory(prefix="fluxkeep-soak-") as directory,
        soak_run(Path(directory), plan) as soak,
    ):
        try:
            soak.run()
        finally:
            print(soak.report.table(), flush=True)


if __name__ == "__main__":
    main()
