"""How many callbacks are put on record per second, beside the same handler without a queue."""

from tests.bench.load import Result
from tests.bench.stage import BARE, OURS, Stage, stage


def main() -> None:
    with stage() as here:
        ours, bare = _by_turns(here)
        trips = _round_trips(here)
    print("| handler, two web processes, 16 connections | callbacks/s | p50 ms | p99 ms |")
    print("|---|---|---|---|")
    print(_row("verify, record, due, RQ entry (ours)", ours))
    print(_row("verify only (ours without recording)", bare))
    print(f"\nRatio ours / without recording: {ours.rate / bare.rate:.2f}")
    print(f"Redis round trips per fresh callback: {trips:.2f}")


def _by_turns(here: Stage) -> tuple[Result, Result]:
    with here.web(OURS) as ours:
        mine = here.measured(ours)
    with here.web(BARE) as bare:
        return mine, here.measured(bare)


def _round_trips(here: Stage) -> float:
    """Commands Redis was sent while callbacks were accepted; each of ours is one round trip."""
    redis = here.redis.client()
    with here.web(OURS, WEB_CONCURRENCY="1") as ours:
        here.measured(ours)
        redis.config_resetstat()
        before = _records(here)
        here.turn(ours, 4, 3)
        sent = redis.info("commandstats")
        return int(sent["cmdstat_evalsha"]["calls"]) / (_records(here) - before)


def _records(here: Stage) -> int:
    return int(here.redis.client().zcard("fluxkeep:jobs:moderated"))


def _row(name: str, result: Result) -> str:
    return f"| {name} | {result.rate:,.0f} | {result.p50:.1f} | {result.p99:.1f} |"
