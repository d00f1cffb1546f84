"""`make bench` prints the tables of BENCHMARKS.md, `python -m tests.bench NAME...` some of them."""

import argparse

from tests.bench import accept, archive, burst, dyno, growth, inputs, polls, rescues, slow_clients

BENCHMARKS = {
    "accept": accept.main,
    "burst": burst.main,
    "slow-clients": slow_clients.main,
    "rescues": rescues.main,
    "polls": polls.main,
    "dyno": dyno.main,
    "inputs": inputs.main,
    "growth": growth.main,
    "archive": archive.main,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--archived", type=int, default=archive.SIZE, help="jobs of `archive`")
    given = parser.parse_args()
    archive.SIZE = given.archived
    for name in given.names or BENCHMARKS:
        print(f"\n### {name}\n", flush=True)
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
