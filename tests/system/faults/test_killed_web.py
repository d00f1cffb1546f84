"""kill -9 of the web process around the moment in which it puts a callback on record."""

import pytest

from tests.harness import Stack, all_jobs, wait_for
from tests.harness.tripwire import Tripwire

REBUILT_WITHIN_SECONDS = 30.0  # a sweep or two, and a slow machine


def web_behind(stack: Stack, wire: Tripwire) -> None:
    redis = stack.installation.redis
    stack.installation.start("web", REDIS_URL=redis.url_through(wire.port))
    stack.installation.start("worker", "sweep")


def known(stack: Stack) -> list[str]:
    """Of whom there is a record, before BFL comes again."""
    with stack.installation.redis.client() as redis:
        return [job.id for job in all_jobs(redis)]


@pytest.mark.parametrize("is_on_record", [False, True], ids=["before", "after"])
def test_killed_around_the_record_bfl_comes_again_and_there_is_one_object(
    stack_before_start: Stack, is_on_record: bool
) -> None:
    stack = stack_before_start
    with Tripwire(stack.installation.redis.port) as wire:
        web_behind(stack, wire)
        # The first who writes has to bring the script, and is answered that Redis lacks it.
        stack.client.callback({"id": "first", "status": "Content Moderated"})
        wire.arm(b"fluxkeep:job:", answer=is_on_record)
        task = stack.generate()
        wire.wait()
        stack.installation.kill("web")
        assert (task.id in known(stack)) is is_on_record
        stack.installation.start("web")
    wait_for("BFL is heard", lambda: stack.outcomes(task, 2)[-1] == 200, 45)
    assert isinstance(stack.outcomes(task)[0], str)
    stack.stored(task)
    assert len(stack.objects(task)) == len(stack.deliveries(task)) == 1
    stack.settled()
