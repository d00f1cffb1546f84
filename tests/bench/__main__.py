"""`make bench` prints the tables of BENCHMARKS.md, `python -m tests.bench NAME...` some of them."""

import argparse
import platform
import sysconfig

from tests.bench import (
    accept,
    archive,
    burst,
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
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--archived", type=int, default=archive.SIZE, help="jobs of `archive`")
    given = parser.parse_args()
    archive.SIZE = given.archived
    print(interpreter())
    for name in given.names or BENCHMARKS:
        print(f"\n### {name}\n", flush=True)
        BENCHMARKS[name]()


def interpreter() -> str:
    """Name the interpreter, and whether it was built with profile-guided optimization.

    That is a fifth of a callback. Debian builds with it and does not say so.
    """
    is_optimized = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    build = "built with" if is_optimized else "not known to be built with"
    return f"Python {platform.python_version()}, {build} profile-guided optimization"


if __name__ == "__main__":
    main()
