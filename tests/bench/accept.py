"""Callbacks recorded per second, compared with handlers that users would write instead.

All handlers run at the same time over the same Redis and are measured in turn, so that conditions
are the same for each. It takes about two minutes.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench import alternatives, constant_rate, delivery, load
from tests.bench.environment import (
    FLASK_VIEW,
    FLUXKEEP,
    WITHOUT_RECORDING,
    BenchEnvironment,
    bench_environment,
)
from tests.bench.load import Result
from tests.bench.slow_clients import STALLED, stalled
from tests.harness.installation import WEBHOOK_SECRET

ROUNDS = 3
ROUND_SECONDS = 2
PACED_SECONDS = 4
OWN, CEILING = "Fluxkeep", "Fluxkeep without recording"
FLASK_CEILING = "the same as a view of Flask"
SAMPLE = "BFL's sample in Flask"


class Measured(NamedTuple):
    """Medians of a handler's rounds, and its latency at half of its own rate."""

    rate: float
    p99: float
    half: constant_rate.Measurement


def main() -> None:
    with bench_environment() as bench, handlers(bench) as urls:
        found = _measure_in_rounds(bench, urls)
        own = found[OWN].rate
        print("| handler, two processes | callbacks/s | ours to it | p99 ms | at half its rate |")
        print("|---|---|---|---|---|")
        for name, one in found.items():
            print(
                f"| {name} | {one.rate:,.0f} | {own / one.rate:.2f} | {one.p99:.0f} "
                f"| {one.half.p99:.0f} |"
            )
        print(f"\n{_with_stalled_clients(bench, urls[OWN], own / 2)}")
        print(f"Redis round trips per fresh callback: {_round_trips(bench, urls[OWN]):.2f}")


@contextmanager
def handlers(bench: BenchEnvironment) -> Iterator[dict[str, str]]:
    """URLs of all handlers by name."""
    with ExitStack() as stack:
        pictures = stack.enter_context(delivery.serving(bench.directory))
        settings = {
            "REDIS_URL": bench.redis.url,
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
            "BENCH_MEDIA": str(bench.directory),
        }
        found = {
            OWN: stack.enter_context(bench.web(FLUXKEEP)).url,
            CEILING: stack.enter_context(bench.web(WITHOUT_RECORDING)).url,
            FLASK_CEILING: stack.enter_context(bench.web(FLASK_VIEW)).url,
        }
        for handler in (
            alternatives.express_bullmq(),
            alternatives.express_bullmq(records=True),
            alternatives.fastapi_arq(),
            alternatives.sample_flask(),
        ):
            running = alternatives.running(handler, bench.directory, settings)
            found[handler.name] = stack.enter_context(running)
        bench.pictures = pictures
        yield found


def _measure_in_rounds(bench: BenchEnvironment, urls: dict[str, str]) -> dict[str, Measured]:
    """Warm up each handler, measure each in rounds, then each at half of its own rate."""
    rounds: dict[str, list[Result]] = {name: [] for name in urls}
    for n in range(1 + ROUNDS):
        for name, url in urls.items():
            result = load.run(url, _callbacks(bench, name), seconds=ROUND_SECONDS)
            if result.refused:
                raise RuntimeError(f"{name} refused {result.refused} callbacks")
            rounds[name] += [result] if n else []
    found = {}
    for name, url in urls.items():
        rate = median(one.rate for one in rounds[name])
        half = constant_rate.run(url, _callbacks(bench, name), rate=rate / 2, seconds=PACED_SECONDS)
        found[name] = Measured(rate, median(one.p99 for one in rounds[name]), half)
    return found


def _callbacks(bench: BenchEnvironment, name: str) -> Path:
    return bench.callbacks(delivery=bench.pictures if name == SAMPLE else load.DELIVERY)


def _with_stalled_clients(bench: BenchEnvironment, url: str, rate: float) -> str:
    with stalled(url):
        paced = constant_rate.run(url, bench.callbacks(), rate=rate, seconds=PACED_SECONDS)
    return (
        f"With {STALLED} stalled clients at {rate:,.0f} callbacks/s: {paced.rate:,.0f} "
        f"answers/s, p50 {paced.p50:.0f} ms, p99 {paced.p99:.0f} ms, {paced.refused} refused"
    )


def _round_trips(bench: BenchEnvironment, url: str) -> float:
    """Scripts per accepted callback; each script is one round trip to Redis."""
    with bench.redis.client() as redis:
        redis.config_resetstat()
        records = partial(redis.zcard, "fluxkeep:jobs:ready")
        before = int(records())
        load.run(url, bench.callbacks(), seconds=2)
        sent = redis.info("commandstats")
        return int(sent["cmdstat_evalsha"]["calls"]) / (int(records()) - before)
