"""SIGTERM to everything during downloads, as a platform restarts: over in time, nothing lost."""

import pytest

from tests.harness import Process, Stack, all_jobs, wait_for
from tests.harness.patience import exit_codes
from tests.sandbox import Task
from worker.shutdown import EXIT_SECONDS

EXIT_WITHIN_SECONDS = 30.0
SIZE_BYTES = 400_000


def downloads(stack: Stack, drip: int) -> list[Task]:
    stack.installation.start("worker")
    with stack.installation.redis.client() as redis:
        wait_for("both workers", lambda: redis.scard("rq:workers") == 2)
    tasks = [stack.generate(size=SIZE_BYTES, drip=drip) for _ in range(2)]
    for task in tasks:
        stack.wait_for_download(task)
    return tasks


def everything(stack: Stack) -> list[Process]:
    installation = stack.installation
    return [*installation.web, *installation.worker, *installation.sweep]


def exits(processes: list[Process]) -> list[int]:
    """The exit codes, all of them within the time a platform gives."""
    return exit_codes(processes, EXIT_WITHIN_SECONDS)


def finished_after_restart(stack: Stack, tasks: list[Task]) -> None:
    with stack.installation.redis.client() as redis:
        assert not [job.id for job in all_jobs(redis) if job.lease.lease_until], "all is released"
    for task in tasks:
        stack.change_switches(task, drip=None)
    stack.installation.start()
    for task in tasks:
        stack.stored(task)
        assert len(stack.objects(task)) == 1
    stack.settled()


def test_a_short_download_is_finished_before_the_worker_leaves(stack: Stack) -> None:
    tasks = downloads(stack, drip=200_000)
    processes = everything(stack)
    for process in processes:
        process.terminate()
    assert exits(processes) == [0] * 4
    assert all(len(stack.objects(task)) == 1 for task in tasks)
    finished_after_restart(stack, tasks)
    assert all(len(stack.deliveries(task)) == 1 for task in tasks)


@pytest.mark.slow
def test_a_download_that_would_take_too_long_is_released(stack: Stack) -> None:
    tasks = downloads(stack, drip=4_000)
    processes = everything(stack)
    for process in processes:
        process.terminate_all()
    assert exits(processes) == [0] * 4
    assert stack.staged() == []
    finished_after_restart(stack, tasks)


def test_a_second_sigterm_loses_nothing(stack: Stack) -> None:
    tasks = downloads(stack, drip=200_000)
    processes = everything(stack)
    for process in processes * 2:
        process.terminate()
    exits(processes)
    finished_after_restart(stack, tasks)


@pytest.mark.parametrize("has_hung", [False, True])
def test_without_redis_what_has_nothing_in_hand_exits_at_once(
    stack: Stack, *, has_hung: bool
) -> None:
    """Not after 25 s, when a command would have been tried again often enough."""
    processes = [*stack.installation.worker, *stack.installation.sweep]
    wait_for("their first heartbeats", lambda: len(stack.client.get("/readyz").json()) > 1)
    if has_hung:
        stack.installation.redis.pause()
    else:
        stack.installation.redis.kill()
    for process in processes:
        process.terminate()
    try:
        assert [process.wait(EXIT_SECONDS - 5) for process in processes] == [0, 0]
    finally:
        if has_hung:
            stack.installation.redis.resume()
    assert stack.installation.logs().count("stopped without Redis") >= 1


def test_a_callback_without_a_receiver_during_a_restart_is_stored(stack: Stack) -> None:
    processes = everything(stack)
    for process in processes:
        process.terminate()
    assert exits(processes) == [0] * 3
    task = stack.generate()
    (refused,) = stack.outcomes(task)
    assert isinstance(refused, str)
    finished_after_restart(stack, [task])
