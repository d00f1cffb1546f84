"""`make bench` prints the tables of BENCHMARKS.md, `python -m tests.bench NAME...` some of them."""

import argparse
import os
import platform
import sysconfig
import time
from importlib import import_module

from tests.bench import archive, day

# Each is the module of its name.
TOGETHER = (
    *("accept", "burst", "slow-clients", "rescues", "polls", "dyno", "inputs", "redis-time"),
    *("growth", "archive", "streaming"),
)
BENCHMARKS = (*TOGETHER, "day")  # which takes as long as all others


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--archived", type=int, default=archive.SIZE, help="jobs of `archive`")
    parser.add_argument(
        "--share", type=int, default=day.SHARE, help="`day` has one of so many jobs"
    )
    parser.add_argument("--workers", type=int, default=day.WORKERS, help="processes of `day`")
    parser.add_argument("--postgres", action="store_true", help="`day` archives in PostgreSQL")
    given = parser.parse_args()
    archive.SIZE = given.archived
    day.SHARE, day.WORKERS, day.HAS_POSTGRES = given.share, given.workers, given.postgres
    print(interpreter())
    for name in given.names or TOGETHER:
        print(f"\n### {name}\n", flush=True)
        began = time.monotonic()
        import_module(f"tests.bench.{name.replace('-', '_')}").main()
        print(f"\n{time.monotonic() - began:.0f} s; load {os.getloadavg()[0]:.1f}")


def interpreter() -> str:
    """Name the interpreter, and whether it was built with profile-guided optimization.

    That is a fifth of a callback. Debian builds with it and does not say so.
    """
    is_optimized = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    build = "built with" if is_optimized else "not known to be built with"
    return f"Python {platform.python_version()}, {build} profile-guided optimization"


if __name__ == "__main__":
    main()
