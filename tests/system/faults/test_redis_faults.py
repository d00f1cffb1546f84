"""Redis goes away, dies, forgets or is full: no accepted callback is lost.

tests/system/test_connection_limit.py has the Redis that hangs.
"""

import time
from typing import Any

from tests.harness import Stack, wait_for

SETTLED_WITHIN_SECONDS = 90.0
REBUILT_WITHIN_SECONDS = 30.0


def keys(stack: Stack) -> set[Any]:
    """Every key but those in which processes say that they live."""
    with stack.installation.redis.client() as redis:
        return {key for key in redis.scan_iter("*") if key.startswith((b"fluxkeep:job", b"rq:job"))}


def test_a_callback_during_three_seconds_without_redis_is_stored_when_bfl_comes_again(
    stack: Stack,
) -> None:
    redis = stack.installation.redis
    redis.stop()
    down_at = time.monotonic()
    task = stack.generate()
    assert stack.outcomes(task) == [503]
    wait_for("three seconds", lambda: time.monotonic() - down_at > 3)
    redis.start()
    stack.stored(task)
    outcomes = stack.outcomes(task)
    assert outcomes[-1] == 200 and set(outcomes[:-1]) == {503}
    assert len(stack.deliveries(task)) == 1
    stack.settled()


def test_without_redis_every_answer_is_503_with_retry_after(stack: Stack) -> None:
    stack.installation.redis.stop()
    client = stack.client
    answers = [
        client.callback({"id": "a", "status": "Pending"}),
        client.put_job("a"),
        client.get("/api/jobs"),
        client.get("/api/jobs/a"),
        client.request("POST", "/api/jobs/a/replays"),
        client.request("DELETE", "/api/jobs/a"),
    ]
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
    # What cannot be right is refused without asking Redis.
    assert client.callback({"id": "a"}, auth="wrong").status_code == 401
    stack.installation.redis.start()
    wait_for("it works again", lambda: client.get("/api/jobs").ok)
    stack.settled()


def test_an_acknowledged_callback_outlives_kill_9_of_redis(stack: Stack) -> None:
    installation = stack.installation
    installation.kill("worker")
    tasks = [stack.generate() for _ in range(5)]
    assert [stack.outcomes(task) for task in tasks] == [[200]] * 5
    installation.redis.kill()
    installation.redis.start()
    installation.start("worker")
    for task in tasks:
        stack.stored(task)
        assert len(stack.deliveries(task)) == 1
    stack.settled()


def test_a_restart_of_redis_in_the_middle_of_a_download_is_settled(stack: Stack) -> None:
    task = stack.generate(size=300_000, drip=100_000)
    stack.wait_for_download(task)
    stack.installation.redis.kill()
    with stack.installation.supervised():
        stack.installation.redis.start()
        began = time.monotonic()
        stack.stored(task, SETTLED_WITHIN_SECONDS)
        assert time.monotonic() - began < SETTLED_WITHIN_SECONDS
        assert len(stack.objects(task)) == 1
        following = stack.generate()
        stack.stored(following)
        stack.settled()


def test_a_redis_that_is_full_takes_no_half_record(stack: Stack) -> None:
    redis = stack.installation.redis
    with stack.installation.supervised():
        before = keys(stack)
        redis.set_maxmemory(1)
        task = stack.generate()
        assert stack.outcomes(task) == [503]
        assert stack.client.put_job("full").status_code == 503
        assert keys(stack) == before
        assert stack.client.find(task.id) is None
        redis.set_maxmemory(0)
        stack.stored(task)
        assert stack.outcomes(task)[-1] == 200
        assert stack.client.find("full") is None
        stack.settled()


def test_the_queue_is_rebuilt_when_the_keys_of_rq_are_gone(stack: Stack) -> None:
    """As after kill -9 of a web process before the enqueue, if that were another write."""
    installation = stack.installation
    installation.pause("worker")
    tasks = [stack.generate() for _ in range(5)]
    assert [stack.outcomes(task) for task in tasks] == [[200]] * 5
    installation.redis.flush_rq()
    began = time.monotonic()
    installation.resume("worker")
    for task in tasks:
        stack.stored(task)
        assert len(stack.deliveries(task)) == 1
    assert time.monotonic() - began < REBUILT_WITHIN_SECONDS
    stack.settled()
