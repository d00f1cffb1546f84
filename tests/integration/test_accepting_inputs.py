"""Accepting inputs: full queue and storage, turns, time to arrive; sending what was accepted."""

import base64
import socket
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from jobs.domain import submission
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.redis.keys import INPUT_NOTES
from receiver import input_body
from receiver.app import create_app
from tests.harness import RedisServer
from tests.harness.kept_inputs import with_input
from tests.harness.raw_server import RawServer
from tests.harness.worker_environment import WorkerEnvironment, built
from tests.sandbox.gradient import gradient

IMAGE = base64.b64encode(gradient(7)).decode()
LARGE = base64.b64encode(bytes(400_000)).decode()
KEY = {"x-key": "admin-key-of-tests"}


def post(api: FlaskClient, given: dict[str, Any], **headers: str) -> Any:
    body = {"model": "flux-2-pro", "input": given}
    return api.post("/api/jobs", json=body, headers=KEY | headers)


def objects(services: Services) -> list[str]:
    return [found.key for found in services.storage.list_objects()]


def notes(services: Services) -> dict[str, float]:
    found: Any = services.redis.zrange(INPUT_NOTES, 0, -1, withscores=True)
    return {note.decode(): at for note, at in found}


# Room in Redis.


def test_submissions_stop_where_callbacks_still_have_room(
    api: FlaskClient, local_worker: WorkerEnvironment
) -> None:
    redis: Redis = local_worker.redis
    redis.setrange("ballast", 20_000_000, b"x")  # a long command would count until it is freed
    used = int(redis.info("memory")["used_memory"])
    kept = post(api, {"input_image": IMAGE}, **{"Idempotency-Key": "one"})
    before = objects(local_worker.services)
    redis.config_set("maxmemory", used + used // 2)  # more than 60 % is used
    try:
        for n, given in enumerate(({"prompt": "a"}, {"input_image": IMAGE})):
            answer = post(api, given, **{"Idempotency-Key": f"another-{n}"})
            assert (answer.status_code, answer.get_json()["code"]) == (503, "queue_full")
            assert answer.headers["Retry-After"]
        assert objects(local_worker.services) == before and notes(local_worker.services) == {}
        announced = api.put("/api/jobs/announced", json={"input": {"a": IMAGE}}, headers=KEY)
        assert announced.status_code == 201
        again = post(api, {"input_image": IMAGE}, **{"Idempotency-Key": "one"})
        assert again.get_json()["id"] == kept.get_json()["id"]
    finally:
        redis.config_set("maxmemory", 0)
        redis.delete("ballast")
    assert post(api, {"input_image": IMAGE}).status_code == 202


def test_a_queue_that_is_full_only_for_the_record_leaves_nothing(
    api: FlaskClient, local_worker: WorkerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another submission took the last place while the objects were stored."""
    monkeypatch.setattr(local_worker.services.store, "require_room", lambda: None)
    object.__setattr__(local_worker.services.store._room, "submissions", 0)  # noqa: SLF001
    assert post(api, {"input_image": IMAGE}).status_code == 503
    assert objects(local_worker.services) == [] and notes(local_worker.services) == {}


# Room in the storage.


def test_a_full_storage_is_a_full_queue(
    redis_server: RedisServer, tmp_path: Path, temporary: Path
) -> None:
    """A bucket that answers 507."""
    assert temporary.exists()
    server = RawServer()
    status = b"HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def answer_and_close(peer: socket.socket) -> None:
        peer.sendall(status)
        peer.shutdown(socket.SHUT_RDWR)

    server.answer = answer_and_close
    settings = {
        "MEDIA_URL": "s3://keep/here",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    services = built(redis_server, tmp_path, **settings)
    answer = post(create_app(services).test_client(), {"input_image": IMAGE})
    assert (answer.status_code, answer.get_json()["code"]) == (503, "queue_full")
    assert answer.headers["Retry-After"] and not services.redis.exists("fluxkeep:jobs:queued")
    server.close()
    services.redis.close()


# Turns, and the time to arrive.


def test_large_bodies_take_turns_and_small_ones_need_none(
    api: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_body, "TURN_SECONDS", 0.05)
    for _ in range(input_body.TURNS):
        assert input_body._turns.acquire(timeout=1)  # noqa: SLF001
    try:
        answer = post(api, {"video": LARGE})
        assert answer.status_code == 503 and answer.headers["Retry-After"]
        small = post(api, {"input_image": IMAGE})
        assert small.status_code == 202
        path = f"/api/jobs/{small.get_json()['id']}/repeats"
        assert api.post(path, headers=KEY).status_code == 202
    finally:
        for _ in range(input_body.TURNS):
            input_body._turns.release()  # noqa: SLF001
    assert [post(api, {"video": LARGE}).status_code for _ in range(input_body.TURNS + 1)] == [
        202
    ] * (input_body.TURNS + 1)


def test_a_job_that_bfl_never_had_is_replayed_only_with_its_input(
    local_worker: WorkerEnvironment, api: FlaskClient
) -> None:
    def end(job: Job, now: float) -> Job:
        kept = job.request.kept_input if job.id == "known" else None
        return job.ended(now, Status.FAILED).with_request(kept_input=kept)

    for job_id in ("known", "gone"):
        local_worker.post(job_id)
        local_worker.services.store.change(job_id, end)
    answers = [api.post(f"/api/jobs/{name}/rescues", headers=KEY) for name in ("known", "gone")]
    assert [answer.status_code for answer in answers] == [202, 409]


# What the worker does without the storage.


def test_a_storage_that_is_away_requeues_the_job(
    local_worker: WorkerEnvironment, tmp_path: Path
) -> None:
    created = submission.create("a", "large", local_worker.services.store.now())
    given = {"prompt": "a", "input_image": IMAGE, "sandbox": {"callback": "never"}}
    job = with_input(local_worker.services.storage, created, given)
    local_worker.services.store.update("a", lambda _job, _now: job, new=True)
    media, aside = tmp_path / "media", tmp_path / "aside"
    media.rename(aside)
    local_worker.work()
    waiting = local_worker.job("a")
    assert waiting.submission.is_queued and local_worker.posts() == 0
    assert "input cannot be read" in str(waiting.timeline[-1].detail)
    aside.rename(media)
    local_worker.close_circuits()
    local_worker.work()
    assert local_worker.job("a").task_id and local_worker.posts() == 1


def test_an_input_whose_object_is_not_whole_is_not_sent(local_worker: WorkerEnvironment) -> None:
    created = submission.create("a", "large", local_worker.services.store.now())
    job = with_input(local_worker.services.storage, created, {"input_image": IMAGE})
    local_worker.services.store.update("a", lambda _job, _now: job, new=True)
    local_worker.services.storage.write(job.request.input_files[0].key, b"short")
    local_worker.work()
    failure = local_worker.job("a").error
    assert failure and failure.code == "input_lost" and local_worker.posts() == 0
