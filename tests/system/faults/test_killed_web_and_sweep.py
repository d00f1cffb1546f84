"""kill -9 of the web process around the record of a callback, and of the sweep at any time."""

import pytest

from jobs.store.redis.keys import DUE
from tests.harness import Stack, all_jobs, wait_for
from tests.harness.tcp_proxy import Tripwire

SETTINGS = {"CALLBACK_GRACE": "1"}


@pytest.mark.parametrize("is_on_record", [False, True], ids=["before", "after"])
def test_killed_around_the_record_bfl_comes_again_and_there_is_one_object(
    stack: Stack, is_on_record: bool
) -> None:
    with Tripwire(stack.installation.redis.port) as wire:
        stack.installation.kill("web")
        stack.installation.start("web", REDIS_URL=stack.installation.redis.url_through(wire.port))
        # The first who writes has to bring the script, and is answered that Redis lacks it.
        stack.client.callback({"id": "first", "status": "Content Moderated"})
        wire.arm(b"fluxkeep:job:", answer=is_on_record)
        task = stack.generate()
        wire.wait()
        stack.installation.kill("web")
        with stack.installation.redis.client() as redis:
            known = [job.id for job in all_jobs(redis)]  # before BFL comes again
        assert (task.id in known) is is_on_record
        stack.installation.start("web")
    wait_for("BFL is heard", lambda: stack.outcomes(task, 2)[-1] == 200, 45)
    assert isinstance(stack.outcomes(task)[0], str)
    stack.stored(task)
    assert len(stack.objects(task)) == len(stack.deliveries(task)) == 1
    stack.settled()


def test_what_became_due_without_a_sweeper_is_done_by_the_next_one(stack: Stack) -> None:
    """The first one was stopped for a while, and goes on beside its successor."""
    installation = stack.installation
    installation.pause("sweep")
    tasks = [stack.announced() for _ in range(3)]
    with installation.redis.client() as redis:
        wait_for("all are overdue", lambda: redis.zcount(DUE, "-inf", redis.time()[0]) == 3)
    assert all(stack.polls(task) == [] for task in tasks)
    installation.start("sweep")
    for task in tasks:
        assert stack.stored(task)["source"] == "poll"
    installation.resume("sweep")
    stack.stored(stack.announced())
    stack.settled()


def test_a_killed_sweeper_is_restarted_by_its_supervisor(stack: Stack) -> None:
    installation = stack.installation
    (killed,) = installation.sweep
    with installation.supervised():
        killed.kill()
        task = stack.announced()
        assert stack.stored(task)["source"] == "poll"
    (alive,) = installation.sweep
    assert alive.pid != killed.pid
    stack.settled()
