"""`make bench` prints the tables of BENCHMARKS.md, `python -m tests.bench NAME...` any table."""

import argparse

from tests.bench import (
    accept,
    burst,
    costs,
    dyno,
    growth,
    idle,
    pages,
    polls,
    rescues,
    search,
    serving,
    slow_clients,
    submitting,
    video,
    waiting,
)

BENCHMARKS = {
    "accept": accept.main,
    "burst": burst.main,
    "slow-clients": slow_clients.main,
    "rescues": rescues.main,
    "polls": polls.main,
    "idle": idle.main,
    "submitting": submitting.main,
    "growth": growth.main,
    "serving": serving.main,
    "video": video.main,
    "waiting": waiting.main,
    "search": search.main,
    "pages": pages.main,
    "dyno": dyno.main,
    "costs": costs.main,
}

OF_THE_PAGE = ("accept", "burst", "rescues", "growth", "dyno")  # within ten minutes


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    for name in parser.parse_args().names or OF_THE_PAGE:
        print(f"\n### {name}\n", flush=True)
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
