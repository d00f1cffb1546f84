"""Ten thousand callbacks at once: all must be answered and recorded. Takes 10 seconds."""

from tests.bench import constant_rate
from tests.bench.environment import bench_environment

CALLBACKS = 10_000
RATE = 1e6  # per second: each is sent as soon as a connection is free


def main() -> None:
    with bench_environment() as bench, bench.web() as web, bench.redis.client() as redis:
        path = bench.callbacks(count=CALLBACKS)
        done = constant_rate.run(web.url, path, rate=RATE, seconds=CALLBACKS / RATE)
        recorded = redis.zcard("fluxkeep:jobs:ready")
        memory = redis.info("memory")["used_memory"] / CALLBACKS
    print(
        f"{CALLBACKS:,} callbacks over {constant_rate.CONNECTIONS} connections: "
        f"{done.refused} refused, {recorded:,} on record, {done.rate:,.0f} answered a second; "
        f"{memory:,.0f} bytes of Redis for each active job, its RQ job included"
    )
