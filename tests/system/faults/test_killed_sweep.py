"""kill -9 and SIGSTOP of the sweeper: whoever looks after it brings it back, nothing is lost."""

from jobs.store.keys import DUE
from tests.harness import Stack, wait_for

SETTINGS = {"CALLBACK_GRACE": "1"}


def test_a_killed_sweeper_is_restarted_by_its_supervisor(stack: Stack) -> None:
    installation = stack.installation
    (killed,) = installation.sweep
    with installation.supervised():
        killed.kill()
        task = stack.expected()
        assert stack.stored(task)["source"] == "poll"
    (alive,) = installation.sweep
    assert alive.pid != killed.pid
    stack.settled()


def test_what_became_due_without_a_sweeper_is_done_by_the_next_one(stack: Stack) -> None:
    """The first one was stopped for a while, and goes on beside its successor."""
    installation = stack.installation
    installation.pause("sweep")
    tasks = [stack.expected() for _ in range(3)]
    wait_for("they are overdue", lambda: _overdue(stack) == len(tasks))
    assert all(stack.polls(task) == [] for task in tasks)
    installation.start("sweep")
    for task in tasks:
        assert stack.stored(task)["source"] == "poll"
    installation.resume("sweep")
    stack.stored(stack.expected())
    stack.settled()


def _overdue(stack: Stack) -> int:
    with stack.installation.redis.client() as redis:
        seconds, _ = redis.time()
        return int(redis.zcount(DUE, "-inf", seconds))
