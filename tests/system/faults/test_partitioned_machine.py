"""Three machines over one Redis and one bucket; one is cut off and comes back."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.procfile import ROOT
from tests.harness import Installation, RedisServer, Stack, TcpProxy, TestBucket, wait_for
from tests.sandbox import Sandbox, Task

pytestmark = pytest.mark.slow

TASKS = 12
SLOW_BYTES, SLOW_PER_SECOND = 60_000, 15_000  # four seconds of download

PROGRAM = ("jobs", "receiver", "worker", "deploy")


class Machine(Installation):
    """One of several, with its own copy of the program and its own directories.

    It reaches Redis and the bucket only over cables that can be pulled out.
    """

    def __init__(
        self, directory: Path, redis: RedisServer, bucket: TestBucket, sandbox_url: str
    ) -> None:
        self.program = directory / "program"
        for package in PROGRAM:
            shutil.copytree(ROOT / package, self.program / package)
        super().__init__(directory, redis, sandbox_url)
        self.code = self.program
        self.keep_in(bucket)
        self.cables = (TcpProxy(redis.port), TcpProxy(bucket.server.port))
        to_redis, to_bucket = self.cables
        self.settings["REDIS_URL"] = redis.url_through(to_redis.port)
        self.settings["AWS_ENDPOINT_URL"] = to_bucket.url

    def close(self) -> None:
        super().close()
        for cable in self.cables:
            cable.close()


@dataclass
class Fleet:
    """BFL, and the machines; the first one is asked how things are."""

    stack: Stack
    machines: list[Machine]

    def generated(self, number: int) -> list[Task]:
        """Tasks whose callbacks go to the machines in turn."""
        urls = [f"{machine.url}/webhooks/bfl" for machine in self.machines]
        return [self.stack.generate(webhook_url=urls[n % len(urls)]) for n in range(number)]

    def all_stored_once(self, tasks: list[Task]) -> None:
        for task in tasks:
            assert self.stack.stored(task, 60)["source"] == "callback"
            assert len(self.stack.keys(task)) == 1


@pytest.fixture
def fleet(
    tmp_path: Path, redis_server: RedisServer, sandbox: Sandbox, bucket: TestBucket
) -> Iterator[Fleet]:
    """Web and sweep run on all three, a worker only on the last."""
    sandbox.settings.callback_retries = [1.0, 1.0, 2.0, 4.0, 8.0, 8.0]
    with ExitStack() as stack:
        machines = [
            stack.enter_context(
                closing(Machine(tmp_path / f"machine-{n}", redis_server, bucket, sandbox.url))
            )
            for n in range(3)
        ]
        for machine in machines:
            machine.settings |= {"CALLBACK_GRACE": "600", "PUBLIC_URL": machines[0].url}
            machine.start("web", "sweep")
        machines[-1].start("worker")
        machines[0].wait_until_ready(path="/readyz")
        yield Fleet(Stack(sandbox, machines[0]), machines)


def test_a_machine_that_is_cut_off_and_comes_back_loses_nothing(fleet: Fleet) -> None:
    stack, far = fleet.stack, fleet.machines[-1]
    before = fleet.generated(3)
    fleet.all_stored_once(before)
    in_hand = stack.generate(size=SLOW_BYTES, drip=SLOW_PER_SECOND)
    stack.wait_for_download(in_hand)
    for machine in fleet.machines[:-1]:
        machine.start("worker")
    for cable in far.cables:
        cable.refuse()
    meanwhile = fleet.generated(TASKS)
    nearby = [task for n, task in enumerate(meanwhile) if n % 3 != 2]
    fleet.all_stored_once(nearby)
    elsewhere = [task for task in meanwhile if task not in nearby]
    assert {stack.outcomes(task)[0] for task in elsewhere} == {503}
    for cable in far.cables:
        cable.pass_on()
    after = fleet.generated(TASKS)
    everything = [*before, in_hand, *meanwhile, *after]
    fleet.all_stored_once(everything)
    assert len(stack.settled()) == len(everything)
    staged = [machine.directory / "tmp" for machine in fleet.machines]
    wait_for("nothing is staged", lambda: not any([*one.glob("fluxkeep-*/*")] for one in staged))
    for machine in fleet.machines:  # nothing had to be started again
        assert len(machine.web) == len(machine.worker) == len(machine.sweep) == 1
