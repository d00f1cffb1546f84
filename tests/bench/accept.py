"""Callbacks recorded per second, compared with handlers that users would write instead.

All handlers run at the same time over the same Redis and are measured in turn, so that conditions
are the same for each. It takes a minute.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import NamedTuple

from tests.bench import alternatives, constant_rate, load
from tests.bench.alternatives import Running
from tests.bench.environment import BenchEnvironment, bench_environment
from tests.bench.slow_clients import STALLED, stalled
from tests.harness.installation import WEBHOOK_SECRET
from tests.harness.processes import cpu_seconds

ROUNDS = 5
ROUND_SECONDS = 3
PACED_SECONDS = 4
OWN = "Fluxkeep"


class Round(NamedTuple):
    """Processor milliseconds per callback, callbacks per second, and latency in milliseconds."""

    cpu: float
    rate: float
    p99: float


def main() -> None:
    with bench_environment() as bench, handlers(bench) as running:
        found = _measure_in_rounds(bench, running)
        own, web = found[OWN], running[OWN]
        print("| handler | CPU ms per callback | to ours | callbacks/s | to ours | p99 ms |")
        print("|---|---|---|---|---|---|")
        for name, one in found.items():
            cpu, rate = f"{one.cpu:.2f} | {one.cpu / own.cpu:.2f}", f"{one.rate:,.0f}"
            print(f"| {name} | {cpu} | {rate} | {one.rate / own.rate:.2f} | {one.p99:.0f} |")
        print(f"\n{_with_stalled_clients(bench, web.url, own.rate / 2)}")
        print(f"Redis round trips per fresh callback: {_round_trips(bench, web.url):.2f}")


@contextmanager
def handlers(bench: BenchEnvironment) -> Iterator[dict[str, Running]]:
    """All handlers by name, each with two processes."""
    settings = {"REDIS_URL": bench.redis.url, "WEBHOOK_SECRET": WEBHOOK_SECRET}
    settings["WEB_CONCURRENCY"] = "2"
    with ExitStack() as stack:
        web = stack.enter_context(bench.web())
        found = {OWN: Running(web.url, web.web)}
        for peer in (alternatives.express_bullmq(records=False), alternatives.express_bullmq()):
            one = alternatives.running(peer, bench.directory, settings)
            found[peer.name] = stack.enter_context(one)
        yield found


def _measure_in_rounds(bench: BenchEnvironment, running: dict[str, Running]) -> dict[str, Round]:
    """Medians of each handler's rounds, after one to warm up."""
    rounds: dict[str, list[Round]] = {name: [] for name in running}
    for n in range(1 + ROUNDS):
        for name, one in running.items():
            pids = [*one.pids(), bench.redis.pid]
            before = sum(map(cpu_seconds, pids))
            result = load.run(one.url, bench.callbacks(), seconds=ROUND_SECONDS)
            if result.refused:
                raise RuntimeError(f"{one.url} refused {result.refused} callbacks")
            spent = sum(map(cpu_seconds, pids)) - before
            measured = Round(spent * 1000 / (result.rate * ROUND_SECONDS), result.rate, result.p99)
            rounds[name] += [measured] if n else []
    return {
        name: Round(*(median(values) for values in zip(*taken, strict=True)))
        for name, taken in rounds.items()
    }


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
