"""How many callbacks are put on record per second, beside what users would pick instead.

All handlers run at the same time over the same Redis and are called by turns, so that each sees
the same machine. It takes about two minutes.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench import delivery, load, pace, rivals
from tests.bench.load import Result
from tests.bench.slow_clients import STALLED, stalled
from tests.bench.stage import BARE, OURS, PLAIN, Stage, stage
from tests.harness.installation import WEBHOOK_SECRET

TURNS = 3
TURN_SECONDS = 2
PACED_SECONDS = 4
OWN, CEILING = "Fluxkeep", "Fluxkeep without recording"
PLAIN_CEILING = "the same as a view of Flask"
SAMPLE = "BFL's sample in Flask"


class Measured(NamedTuple):
    """The medians of a handler's turns, and what half of its own rate looks like."""

    rate: float
    p99: float
    half: pace.Paced


def main() -> None:
    with stage() as here, handlers(here) as urls:
        found = _by_turns(here, urls)
        own = found[OWN].rate
        print("| handler, two processes | callbacks/s | ours to it | p99 ms | at half its rate |")
        print("|---|---|---|---|---|")
        for name, one in found.items():
            print(
                f"| {name} | {one.rate:,.0f} | {own / one.rate:.2f} | {one.p99:.0f} "
                f"| {one.half.p99:.0f} |"
            )
        print(f"\n{_beside_stalled(here, urls[OWN], own / 2)}")
        print(f"Redis round trips per fresh callback: {_round_trips(here, urls[OWN]):.2f}")


@contextmanager
def handlers(here: Stage) -> Iterator[dict[str, str]]:
    """The URLs of all of them, by name."""
    with ExitStack() as stack:
        pictures = stack.enter_context(delivery.serving(here.directory))
        settings = {
            "REDIS_URL": here.redis.url,
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
            "BENCH_MEDIA": str(here.directory),
        }
        found = {
            OWN: stack.enter_context(here.web(OURS)).url,
            CEILING: stack.enter_context(here.web(BARE)).url,
            PLAIN_CEILING: stack.enter_context(here.web(PLAIN)).url,
        }
        for rival in (rivals.express_bullmq(), rivals.fastapi_arq(), rivals.sample_flask()):
            running = rivals.running(rival, here.directory, settings)
            found[rival.name] = stack.enter_context(running)
        here.pictures = pictures
        yield found


def _by_turns(here: Stage, urls: dict[str, str]) -> dict[str, Measured]:
    """A turn of each to warm up, then of each in turn, then of each at half of its rate."""
    turns: dict[str, list[Result]] = {name: [] for name in urls}
    for n in range(1 + TURNS):
        for name, url in urls.items():
            result = load.run(url, _callbacks(here, name), seconds=TURN_SECONDS)
            if result.refused:
                raise RuntimeError(f"{name} refused {result.refused} callbacks")
            turns[name] += [result] if n else []
    found = {}
    for name, url in urls.items():
        rate = median(one.rate for one in turns[name])
        half = pace.run(url, _callbacks(here, name), rate=rate / 2, seconds=PACED_SECONDS)
        found[name] = Measured(rate, median(one.p99 for one in turns[name]), half)
    return found


def _callbacks(here: Stage, name: str) -> Path:
    return here.callbacks(delivery=here.pictures if name == SAMPLE else load.DELIVERY)


def _beside_stalled(here: Stage, url: str, rate: float) -> str:
    with stalled(url):
        paced = pace.run(url, here.callbacks(), rate=rate, seconds=PACED_SECONDS)
    return (
        f"Beside {STALLED} stalled clients, called {rate:,.0f} times a second: {paced.rate:,.0f} "
        f"answers/s, p50 {paced.p50:.0f} ms, p99 {paced.p99:.0f} ms, {paced.refused} refused"
    )


def _round_trips(here: Stage, url: str) -> float:
    """Commands Redis was sent while callbacks were accepted; each of ours is one round trip."""
    with here.redis.client() as redis:
        redis.config_resetstat()
        records = partial(redis.zcard, "fluxkeep:jobs:ready")
        before = int(records())
        load.run(url, here.callbacks(), seconds=2)
        sent = redis.info("commandstats")
        return int(sent["cmdstat_evalsha"]["calls"]) / (int(records()) - before)
