"""Redis goes away or dies: no accepted callback is lost.

tests/system/test_connection_limit.py has the Redis that hangs.
"""

from tests.harness import Stack, wait_for


def test_without_redis_every_answer_is_503_with_retry_after(stack: Stack) -> None:
    stack.installation.redis.stop()
    client = stack.client
    answers = [
        client.callback({"id": "a", "status": "Pending"}),
        client.put_job("a"),
        client.get("/api/jobs"),
        client.get("/api/jobs/a"),
        client.request("POST", "/api/jobs/a/rescues"),
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
