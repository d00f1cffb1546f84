"""`make run`: all of Fluxkeep on this machine until Ctrl-C, whatever dies in between."""

import os
import signal
import sys
import threading
import time
from types import FrameType

from deploy import procfile
from deploy.console import Console
from deploy.local_redis import LocalRedis
from deploy.plan import CannotStart, Plan, claim, make_plan
from deploy.procfile import ROOT
from deploy.supervisor import Supervisor
from deploy.tour import Tour
from jobs.errors import InvalidSettings

REDIS_START_SECONDS = 20.0
# Together below the 30 s that a platform, or a person, waits.
STOP_SECONDS = 24.0
STOP_SANDBOX_SECONDS = 2.0
STOP_REDIS_SECONDS = 3.0


def main() -> int:
    os.chdir(ROOT)
    stop = _stop_on_signals()
    try:
        with claim():
            run(make_plan(), Console(), stop)
    except (CannotStart, InvalidSettings) as error:
        sys.stderr.write(f"Fluxkeep cannot start: {error}\n")
        return 1
    return 0


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def tell(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, tell)
    return stop


def run(plan: Plan, console: Console, stop: threading.Event) -> None:
    """Returns when everything has been stopped again. Raises CannotStart."""
    supervisor = Supervisor(console)
    tour = Tour(console, plan)
    try:
        if plan.redis is not None:
            _start_redis(supervisor, plan.redis, plan.environment, stop)
        _start_processes(supervisor, plan)
        tour.start()
        supervisor.watch(stop)
        console.say("Stopping ...")
    finally:
        tour.stop()
        # Work in hand is finished while what it needs is still there.
        supervisor.stop(procfile.commands(), STOP_SECONDS)
        supervisor.stop(["sandbox"], STOP_SANDBOX_SECONDS)
        supervisor.stop(["redis"], STOP_REDIS_SECONDS)


def _start_redis(
    supervisor: Supervisor, redis: LocalRedis, environment: dict[str, str], stop: threading.Event
) -> None:
    redis.prepare()
    supervisor.start("redis", redis.command, environment, redis.directory)
    deadline = time.monotonic() + REDIS_START_SECONDS
    while not redis.answers() and not stop.wait(0.05):
        if time.monotonic() >= deadline:
            raise CannotStart("Redis does not answer; its own words are above")


def _start_processes(supervisor: Supervisor, plan: Plan) -> None:
    if plan.sandbox is not None:
        supervisor.start("sandbox", plan.sandbox.command, plan.environment, ROOT)
    for name, command in procfile.commands().items():
        supervisor.start(name, command, plan.environment, ROOT)


if __name__ == "__main__":
    sys.exit(main())
