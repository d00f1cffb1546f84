"""`make bench` prints the tables of BENCHMARKS.md, `python -m tests.bench NAME...` some of them."""

import argparse
import os
import platform
import sysconfig
import time

from tests.bench import (
    accept,
    archive,
    burst,
    day,
    dyno,
    growth,
    inputs,
    polls,
    redis_time,
    rescues,
    slow_clients,
)

BENCHMARKS = {
    "accept": accept.main,
    "burst": burst.main,
    "slow-clients": slow_clients.main,
    "rescues": rescues.main,
    "polls": polls.main,
    "dyno": dyno.main,
    "inputs": inputs.main,
    "redis-time": redis_time.main,
    "growth": growth.main,
    "archive": archive.main,
    "day": day.main,
}
ALONE = ("day",)  # takes as long as all others


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
    for name in given.names or [name for name in BENCHMARKS if name not in ALONE]:
        print(f"\n### {name}\n", flush=True)
        began = time.monotonic()
        BENCHMARKS[name]()
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
