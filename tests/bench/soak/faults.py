"""Faults of a soak run: SIGKILLs at random, an outage of Redis and a failover."""

import random
import threading
import time
from collections import Counter

from tests.bench.soak.plan import Plan
from tests.harness import Installation
from tests.harness.patience import wait_for
from tests.harness.replication import ReplicatedRedis

VICTIMS = ("web", "worker", "sweep")


def kill_at_random(
    installation: Installation, plan: Plan, stopped: threading.Event
) -> Counter[str]:
    """SIGKILL a process every few seconds; return how many of each."""
    generator, kills = random.Random(plan.seed), Counter[str]()
    until = time.monotonic() + plan.faults_seconds
    while not stopped.wait(generator.uniform(*plan.kill_every)) and time.monotonic() < until:
        victim = generator.choice(VICTIMS)
        if found := [process for process in installation.running[victim] if process.alive]:
            generator.choice(found).kill()
            kills[victim] += 1
    return kills


def interrupt(redis: ReplicatedRedis, seconds: float) -> None:
    """SIGKILL Redis, and start it again with its data.

    Call it in the main thread: on Linux the new Redis ends with the thread that started it.
    """
    redis.primary.kill()
    time.sleep(seconds)
    redis.primary.start()
    wait_for("the replica is in step", redis.is_replicated, 60)


def fail_over(redis: ReplicatedRedis, installation: Installation) -> None:
    """SIGKILL the primary while its replica is in step; the old primary becomes the replica."""
    redis.fail_over()
    installation.redis = redis.primary
    redis.rejoin()
    wait_for("the replica is in step", redis.is_replicated, 60)
