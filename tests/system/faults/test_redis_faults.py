"""Redis goes away, hangs, dies, forgets or is full: no accepted callback is lost."""

import time
from typing import Any

import requests

from tests.harness.patience import wait_for
from tests.harness.scene import Scene
from tests.harness.tcp_proxy import TcpProxy

ANSWER_WITHIN_SECONDS = 5.0
SETTLED_WITHIN_SECONDS = 90.0
REBUILT_WITHIN_SECONDS = 30.0


def keys(scene: Scene) -> set[Any]:
    """Every key but those in which processes say that they live."""
    with scene.installation.redis.client() as redis:
        return {key for key in redis.scan_iter("*") if key.startswith((b"fluxkeep:job", b"rq:job"))}


def timed(act: Any, *args: Any) -> tuple[requests.Response, float]:
    began = time.monotonic()
    answer = act(*args)
    return answer, time.monotonic() - began


def test_a_callback_during_three_seconds_without_redis_is_stored_when_bfl_comes_again(
    scene: Scene,
) -> None:
    redis = scene.installation.redis
    redis.stop()
    down_at = time.monotonic()
    task = scene.generate()
    assert scene.outcomes(task) == [503]
    wait_for("three seconds", lambda: time.monotonic() - down_at > 3)
    redis.start()
    scene.stored(task)
    outcomes = scene.outcomes(task)
    assert outcomes[-1] == 200 and set(outcomes[:-1]) == {503}
    assert len(scene.deliveries(task)) == 1
    scene.settled()


def test_without_redis_every_answer_is_503_and_asks_for_patience(scene: Scene) -> None:
    scene.installation.redis.stop()
    client = scene.client
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
    scene.installation.redis.start()
    wait_for("it works again", lambda: client.get("/api/jobs").ok)
    scene.settled()


def test_a_redis_that_hangs_is_answered_for_in_time(scene: Scene) -> None:
    redis, client = scene.installation.redis, scene.client
    redis.pause()
    try:
        body = {"id": "hung", "status": "Content Moderated"}
        for _ in range(2):  # on a connection that is open, then on a new one
            answer, seconds = timed(client.callback, body)
            assert answer.status_code == 503 and seconds < ANSWER_WITHIN_SECONDS
    finally:
        redis.resume()
    assert client.callback(body).status_code == 200
    assert client.wait_for("hung")["status"] == "moderated"
    scene.settled()


def test_a_wire_to_redis_that_is_cut_again_and_again_loses_nothing(quiet_scene: Scene) -> None:
    scene, redis = quiet_scene, quiet_scene.installation.redis
    with TcpProxy(redis.port) as wire:
        scene.installation.settings["REDIS_URL"] = redis.url_through(wire.port)
        with scene.installation.supervised():
            scene.installation.start()
            scene.installation.wait_until_ready()
            tasks = []
            for _ in range(6):
                tasks.append(scene.generate())
                wire.cut()
            for task in tasks:
                scene.stored(task, SETTLED_WITHIN_SECONDS)
                assert len(scene.objects(task)) == 1
            scene.settled()


def test_an_acknowledged_callback_outlives_kill_9_of_redis(scene: Scene) -> None:
    installation = scene.installation
    installation.kill("worker")
    tasks = [scene.generate() for _ in range(5)]
    assert [scene.outcomes(task) for task in tasks] == [[200]] * 5
    installation.redis.kill()
    installation.redis.start()
    installation.start("worker")
    for task in tasks:
        scene.stored(task)
        assert len(scene.deliveries(task)) == 1
    scene.settled()


def test_a_restart_of_redis_in_the_middle_of_a_download_is_settled(scene: Scene) -> None:
    task = scene.generate(size=300_000, drip=100_000)
    scene.wait_for_download(task)
    scene.installation.redis.kill()
    with scene.installation.supervised():
        scene.installation.redis.start()
        began = time.monotonic()
        scene.stored(task, SETTLED_WITHIN_SECONDS)
        assert time.monotonic() - began < SETTLED_WITHIN_SECONDS
        assert len(scene.objects(task)) == 1
        following = scene.generate()
        scene.stored(following)
        scene.settled()


def test_a_redis_that_is_full_takes_no_half_record(scene: Scene) -> None:
    redis = scene.installation.redis
    with scene.installation.supervised():
        before = keys(scene)
        redis.set_maxmemory(1)
        task = scene.generate()
        assert scene.outcomes(task) == [503]
        assert scene.client.put_job("full").status_code == 503
        assert keys(scene) == before
        assert scene.client.find(task.id) is None
        redis.set_maxmemory(0)
        scene.stored(task)
        assert scene.outcomes(task)[-1] == 200
        assert scene.client.find("full") is None
        scene.settled()


def test_the_queue_is_rebuilt_when_the_keys_of_rq_are_gone(scene: Scene) -> None:
    installation = scene.installation
    installation.pause("worker")
    tasks = [scene.generate() for _ in range(5)]
    assert [scene.outcomes(task) for task in tasks] == [[200]] * 5
    installation.redis.flush_rq()
    began = time.monotonic()
    installation.resume("worker")
    for task in tasks:
        scene.stored(task)
        assert len(scene.deliveries(task)) == 1
    assert time.monotonic() - began < REBUILT_WITHIN_SECONDS
    scene.settled()
