"""`make bench`, or `python -m tests.bench NAME...`: prints the tables of BENCHMARKS.md."""

import sys

from tests.bench import (
    accept,
    burst,
    costs,
    dyno,
    growth,
    pages,
    polls,
    rescues,
    rest,
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
    "rest": rest.main,
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


def main(names: list[str]) -> None:
    for name in names or list(BENCHMARKS):
        print(f"\n### {name}\n", flush=True)
        BENCHMARKS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
