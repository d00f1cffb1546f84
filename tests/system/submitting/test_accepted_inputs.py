"""Accepted files lie in the storage before the answer, and nothing else is left there."""

import base64
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from jobs.store.redis.keys import INPUT_NOTES
from tests.harness import Installation, Stack, TcpProxy, all_jobs, stopped_stack, wait_for
from tests.harness.invariants import dump
from tests.harness.stored_objects import a_file_in_place_of
from tests.harness.visitor import Visitor
from tests.sandbox.formats import gradient

AT_ONCE = 6
ROUNDS = 4
MODEL = "flux-2-pro"
LONG = "canary " * 400  # more than 2,048 characters
IMAGE = base64.b64encode(gradient(11)).decode()


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Nobody works: what was accepted waits."""
    with stopped_stack(tmp_path_factory.mktemp("accepted"), WEB_CONCURRENCY="2") as env:
        env.installation.start("web")
        yield env


def recorded(env: Stack) -> set[str]:
    with env.installation.redis.client() as redis:
        return {file.key for job in all_jobs(redis) for file in job.request.input_files}


def noted(env: Stack) -> set[str]:
    return {key for note in env.input_notes() for key in note.decode().split(" ")[1:]}


def stored(env: Stack) -> set[str]:
    return set(env.installation.stored_objects.sizes())


def delete_all(env: Stack) -> None:
    with env.installation.redis.client() as redis:
        ids = [job.id for job in all_jobs(redis)]
    for job_id in ids:
        assert env.client.request("DELETE", f"/api/jobs/{job_id}").status_code == 204
    assert stored(env) == set()


def test_no_image_and_no_long_text_is_ever_in_redis(env: Stack) -> None:
    caller = env.installation.client("submit")
    given = {"prompt": LONG, "input_image": IMAGE, "many": ["canary"] * 2000}
    body = {"model": MODEL, "input": given}
    first = caller.request("POST", "/api/jobs", json=body)
    form = {"model": MODEL, "prompt": LONG, "idempotency_key": str(uuid.uuid4())}
    files = [("files", ("a.png", gradient(12)))]
    answers = [
        first,
        caller.request("POST", f"/v1/{MODEL}", json=given),
        caller.request("POST", f"/api/jobs/{first.json()['id']}/repeats", json={}),
        caller.put_job(str(uuid.uuid4()), input=given),
        Visitor(env.installation.url).post("/submit", page="/submit", files=files, **form),
    ]

    assert [answer.status_code for answer in answers] == [202, 200, 202, 201, 303]
    canaries = (LONG[:100], IMAGE[:100], base64.b64encode(gradient(12)).decode()[:100])
    with env.installation.redis.client() as redis:
        values = [dump(redis, key) for key in redis.scan_iter("*")]
    jobs = [value for value in values if "canary" in value or "input:" in value]
    assert not [value[:200] for value in jobs if any(canary in value for canary in canaries)]
    assert not [value[:200] for value in values if value.count("canary") > 9]
    assert recorded(env) == stored(env)
    delete_all(env)


def at_once(send: Callable[[int], requests.Response]) -> list[requests.Response]:
    barrier = threading.Barrier(AT_ONCE)

    def wait_and_send(n: int) -> requests.Response:
        barrier.wait()
        return send(n)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(wait_and_send, range(AT_ONCE)))


def with_images(n: int) -> dict[str, Any]:
    """An input whose first image all have, the second each its own."""
    own = base64.b64encode(gradient(20 + n)).decode()
    return {"prompt": f"no. {n}", "input_image": IMAGE, "input_image_2": own}


def post_form(env: Stack, key: str, n: int) -> requests.Response:
    visitor = Visitor(env.installation.url)
    files = [("files", ("a.png", gradient(11))), ("files", ("b.png", gradient(20 + n)))]
    fields = {"model": MODEL, "prompt": f"no. {n}", "idempotency_key": key}
    return visitor.post("/submit", page="/submit", files=files, **fields)


def senders(env: Stack, key: str) -> dict[str, Callable[[int], requests.Response]]:
    """Requests for one job, by their door; the n-th has other images than the others."""
    caller = env.installation.client("submit")
    headers = {"Idempotency-Key": key}

    def repeats(n: int) -> requests.Response:
        path = f"/api/jobs/{key}/repeats"
        changes = {"input": with_images(n)}
        return caller.request("POST", path, json=changes, headers=headers)

    return {
        "POST": lambda n: env.post({"model": MODEL, "input": with_images(n)}, key=key),
        "PUT": lambda n: caller.put_job(key, input=with_images(n)),
        "repeats": repeats,
        "form": lambda n: post_form(env, key, n),
        "v1": lambda n: caller.request(
            "POST", f"/v1/{MODEL}", json=with_images(n), headers=headers
        ),
    }


@pytest.mark.parametrize("door", ["POST", "PUT", "repeats", "form", "v1"])
def test_of_two_at_once_the_first_stays_and_the_others_leave_nothing(env: Stack, door: str) -> None:
    for _ in range(ROUNDS):
        key = str(uuid.uuid4())
        if door == "repeats":
            first = env.client.put_job(key, input={"prompt": "first"}, model=MODEL)
            assert first.status_code == 201
        answers = at_once(senders(env, key)[door])
        assert {answer.status_code for answer in answers} <= {200, 201, 202, 303, 409, 422}
        assert any(answer.ok for answer in answers)
        assert stored(env) == recorded(env) and len(recorded(env)) == 2
        delete_all(env)


def test_equal_requests_at_once_share_their_objects(env: Stack) -> None:
    key = str(uuid.uuid4())
    answers = at_once(lambda _n: env.post({"model": MODEL, "input": with_images(0)}, key=key))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert stored(env) == recorded(env) and len(recorded(env)) == 2
    delete_all(env)


def test_a_job_that_is_deleted_and_announced_at_once_leaves_nothing(env: Stack) -> None:
    for n in range(ROUNDS):
        task_id = str(uuid.uuid4())
        env.client.put_job(task_id, metadata={"n": n})

        def send(n: int, task_id: str = task_id) -> requests.Response:
            if n % 2:
                return env.client.request("DELETE", f"/api/jobs/{task_id}")
            return env.client.put_job(task_id, input=with_images(0))

        # 503: its objects went with the job that was deleted, and nothing was recorded.
        assert {answer.status_code for answer in at_once(send)} <= {200, 201, 202, 204, 404, 503}
        unrecorded = stored(env) - recorded(env)
        assert recorded(env) <= stored(env)
        assert unrecorded <= noted(env)  # the sweep will delete them
        for object_key in unrecorded:
            env.installation.stored_objects.remove(object_key)
        delete_all(env)


def test_without_the_storage_only_small_values_are_accepted(env: Stack) -> None:
    before = len(env.client.jobs())
    with a_file_in_place_of(env.installation.media):
        assert env.post({"model": MODEL, "input": {"prompt": "small"}}).status_code == 202
        large = {"model": MODEL, "input": {"prompt": LONG}}
        answers = [
            env.post(large),
            env.post({"model": MODEL, "input": {"image": base64.b64encode(bytes(10**6)).decode()}}),
            env.client.put_job(str(uuid.uuid4()), input=large["input"]),
            env.client.request("POST", f"/v1/{MODEL}", json=large["input"]),
        ]
        assert {answer.status_code for answer in answers} == {503}
        assert all("Retry-After" in answer.headers for answer in answers)
    assert len(env.client.jobs()) == before + 1
    assert env.post(large).status_code == 202
    delete_all(env)


@pytest.mark.slow
def test_what_a_killed_process_has_stored_is_noted(
    tmp_path: Path, stopped_installation: Installation
) -> None:
    """Redis hangs as soon as the first object is there, and the process dies."""
    assert tmp_path.exists()
    installation = stopped_installation
    proxy = TcpProxy(installation.redis.port)
    installation.settings["REDIS_URL"] = installation.redis.url_through(proxy.port)
    installation.start("web")
    given = {str(n): base64.b64encode(bytes([n]) * 20_000).decode() for n in range(30)}
    raw = json.dumps({"model": MODEL, "input": given}).encode()
    client = installation.client("submit")

    def send() -> None:
        with pytest.raises(requests.ConnectionError):
            client.request("POST", "/api/jobs", data=raw)

    sending = threading.Thread(target=send)
    sending.start()
    wait_for("an object", installation.stored_objects.sizes)
    proxy.hang()
    installation.kill("web")
    sending.join()
    left = set(installation.stored_objects.sizes())
    with installation.redis.client() as redis:
        assert not all_jobs(redis)
        ((note, _),) = redis.zrange(INPUT_NOTES, 0, -1, withscores=True)
        assert left <= set(note.decode().split(" "))
        redis.zadd(INPUT_NOTES, {note: 1.0})  # an hour later
    proxy.pass_on()
    installation.start("sweep")
    wait_for("the sweep deletes them", lambda: not installation.stored_objects.sizes())
    with installation.redis.client() as redis:
        wait_for("and their note", lambda: not redis.zcard(INPUT_NOTES))
    proxy.close()
