"""Ten thousand callbacks at once: whether all are answered and on record. Half a minute."""

from tests.bench import pace
from tests.bench.stage import OURS, stage

CALLBACKS = 10_000
AT_ONCE = 1e6  # a second: each is sent the moment a connection is free


def main() -> None:
    with stage() as here, here.web(OURS) as web, here.redis.client() as redis:
        path = here.callbacks(count=CALLBACKS)
        done = pace.run(web.url, path, rate=AT_ONCE, seconds=CALLBACKS / AT_ONCE)
        recorded = redis.zcard("fluxkeep:jobs:ready")
        memory = redis.info("memory")["used_memory"] / CALLBACKS
    print(
        f"{CALLBACKS:,} callbacks over {pace.CONNECTIONS} connections: {done.refused} refused, "
        f"{recorded:,} on record, {done.rate:,.0f} answered a second; {memory:,.0f} bytes of Redis "
        "for each job under way, its entry in RQ included"
    )


if __name__ == "__main__":
    main()
