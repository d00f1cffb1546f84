"""Accepting inputs, sending what was accepted, and deleting what nobody needs."""

import base64
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from jobs.delete_and_replay import delete
from jobs.domain import submission
from jobs.domain.job import Job
from jobs.domain.job_record import Request
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.commit import REPLAY_SECONDS, UNRECORDED_SECONDS
from receiver import input_body, input_storage
from tests.harness.kept_inputs import notes, objects, with_input
from tests.harness.local_worker import LocalWorker
from tests.harness.parts import api_over, services_over
from tests.harness.past_jobs import details
from tests.harness.raw_server import RawServer
from tests.harness.reports import load
from tests.sandbox.formats import gradient
from worker.periodic.input_cleanup import delete_unrecorded

IMAGE = base64.b64encode(gradient(7)).decode()
LARGE = base64.b64encode(bytes(400_000)).decode()


def post(api: FlaskClient, given: dict[str, Any], **headers: str) -> Any:
    body = {"model": "flux-2-pro", "input": given}
    return api.post("/api/jobs", json=body, headers=headers)


def test_submissions_leave_room_for_callbacks(api: FlaskClient, worker: LocalWorker) -> None:
    redis: Redis = worker.redis
    redis.setrange("ballast", 20_000_000, b"x")  # a long command would count until it is freed
    used = int(redis.info("memory")["used_memory"])
    kept = post(api, {"input_image": IMAGE}, **{"Idempotency-Key": "one"})
    before = objects(worker.services)
    redis.config_set("maxmemory", used + used // 2)  # more than 60 % is used
    try:
        for n, given in enumerate(({"prompt": "a"}, {"input_image": IMAGE})):
            answer = post(api, given, **{"Idempotency-Key": f"another-{n}"})
            assert (answer.status_code, answer.get_json()["code"]) == (503, "queue_full")
            assert answer.headers["Retry-After"]
        assert objects(worker.services) == before and notes(worker.services) == []
        announced = api.put("/api/jobs/announced", json={"input": {"a": IMAGE}})
        assert announced.status_code == 201
        again = post(api, {"input_image": IMAGE}, **{"Idempotency-Key": "one"})
        assert again.get_json()["id"] == kept.get_json()["id"]
    finally:
        redis.config_set("maxmemory", 0)
        redis.delete("ballast")
    assert post(api, {"input_image": IMAGE}).status_code == 202


def test_a_queue_that_is_full_only_for_the_record_leaves_nothing(
    api: FlaskClient, worker: LocalWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another submission took the last place while the objects were stored."""
    monkeypatch.setattr(worker.store, "require_room", lambda: None)
    object.__setattr__(worker.store._room, "submissions", 0)  # noqa: SLF001
    assert post(api, {"input_image": IMAGE}).status_code == 503
    assert objects(worker.services) == [] and notes(worker.services) == []


def test_a_full_storage_is_named(redis: Redis, temporary: Path) -> None:
    """A bucket that answers 507."""
    assert temporary.exists()
    server = RawServer()
    status = b"HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def answer_and_close(peer: socket.socket) -> None:
        peer.sendall(status)
        peer.shutdown(socket.SHUT_RDWR)

    server.answer = answer_and_close
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    where = {"MEDIA_URL": "s3://keep/here", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.port}"}
    services = services_over(redis, **where, **keys)
    answer = post(api_over(services), {"input_image": IMAGE})
    assert (answer.status_code, answer.get_json()["code"]) == (503, "storage_full")
    assert answer.headers["Retry-After"] and not services.redis.exists("fluxkeep:jobs:queued")
    server.close()


def test_large_bodies_take_turns(api: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_body, "TURN_SECONDS", 0.05)
    for _ in range(input_body.TURNS):
        assert input_body._turns.acquire(timeout=1)  # noqa: SLF001
    try:
        answer = post(api, {"video": LARGE})
        assert answer.status_code == 503 and answer.headers["Retry-After"]
        small = post(api, {"input_image": IMAGE})
        assert small.status_code == 202
        path = f"/api/jobs/{small.get_json()['id']}/repeats"
        assert api.post(path).status_code == 202
    finally:
        for _ in range(input_body.TURNS):
            input_body._turns.release()  # noqa: SLF001
    assert [post(api, {"video": LARGE}).status_code for _ in range(input_body.TURNS + 1)] == [
        202
    ] * (input_body.TURNS + 1)


def test_a_replay_needs_the_input(worker: LocalWorker, api: FlaskClient) -> None:
    def end(job: Job, now: float) -> Job:
        kept = job.request.kept_input if job.id == "known" else None
        return job.ended(now, Status.FAILED).with_request(kept_input=kept)

    for job_id in ("known", "gone"):
        worker.post(job_id)
        worker.store.change(job_id, end)
    answers = [api.post(f"/api/jobs/{name}/replays") for name in ("known", "gone")]
    assert [answer.status_code for answer in answers] == [202, 409]


def test_a_storage_that_is_away_requeues_the_job(worker: LocalWorker, tmp_path: Path) -> None:
    created = submission.create("a", "large", worker.store.now())
    given = {"prompt": "a", "input_image": IMAGE, "sandbox": {"callback": "never"}}
    job = with_input(worker.storage, created, given)
    worker.store.update("a", lambda _job, _now: job, assumes_new=True)
    media, aside = tmp_path / "media", tmp_path / "aside"
    media.rename(aside)
    worker.work()
    waiting = worker.job("a")
    assert waiting.submission.is_queued and worker.posts() == 0
    assert "the storage refuses" in str(details(waiting, "submission.requeued"))
    aside.rename(media)
    worker.close_circuits()
    worker.work()
    assert worker.job("a").task_id and worker.posts() == 1


def test_an_input_whose_object_is_not_whole_is_not_sent(worker: LocalWorker) -> None:
    created = submission.create("a", "large", worker.store.now())
    job = with_input(worker.storage, created, {"input_image": IMAGE})
    worker.store.update("a", lambda _job, _now: job, assumes_new=True)
    worker.storage.write(job.request.input_files[0].key, b"short")
    worker.work()
    failure = worker.job("a").error
    assert failure and failure.code == "input_lost" and worker.posts() == 0


def noted(services: Services) -> str:
    """A note, and objects without a record: their process was killed before it wrote one."""
    job = with_input(
        services.storage, submission.create("own", "m", services.store.now()), {"a": IMAGE}
    )

    def die(_note: str | None) -> Any:
        raise SystemExit

    monkey = pytest.MonkeyPatch()
    monkey.setattr(input_storage, "_store", lambda *_: None)  # they are there
    with pytest.raises(SystemExit):
        input_storage.record(services, (), job.request.input_files, die, is_new_id=True)
    monkey.undo()
    (note,) = notes(services)
    return note


def test_objects_without_a_record_are_deleted_within_an_hour(services: Services) -> None:
    note, now = noted(services), services.store.now()
    assert len(objects(services)) == 1
    delete_unrecorded(services, now + UNRECORDED_SECONDS - 60)
    assert len(objects(services)) == 1 and note in notes(services)
    delete_unrecorded(services, now + UNRECORDED_SECONDS + 1)
    assert objects(services) == [] and notes(services) == []


def test_objects_that_a_record_names_by_then_stay(services: Services) -> None:
    note = noted(services)
    created = submission.create("own", "m", services.store.now())
    job = with_input(services.storage, created, {"a": IMAGE})
    services.store.update("own", lambda _job, _now: job, assumes_new=True)
    assert note in notes(services)
    delete_unrecorded(services, services.store.now() + 2 * UNRECORDED_SECONDS)
    assert objects(services) == job.object_keys and notes(services) == []


def test_objects_that_an_equal_request_stores_during_a_deletion_are_deleted(
    services: Services,
) -> None:
    created = submission.create("own", "m", services.store.now())
    job = with_input(services.storage, created, {"a": IMAGE})
    services.store.update("own", lambda _job, _now: job, assumes_new=True)

    def delete_and_store_again(delete: Callable[[str], None], key: str) -> None:
        delete(key)
        with_input(services.storage, created, {"a": IMAGE})

    delete(services, job, run=delete_and_store_again)
    assert objects(services) == job.object_keys
    delete_unrecorded(services, services.store.now() + UNRECORDED_SECONDS + 1)
    assert objects(services) == [] and notes(services) == []


@pytest.fixture
def forgetful(services: Services) -> Services:
    """A queued job whose input is to be deleted."""
    details = Request(deletes_input=True)
    created = submission.create("own", "m", services.store.now(), details)
    job = with_input(services.storage, created, {"a": IMAGE, "b": 1})
    services.store.update("own", lambda _job, _now: job, assumes_new=True)
    return services


def kept(services: Services) -> Any:
    return load(services.store, "own").request.kept_input


def test_an_input_that_bfl_has_is_deleted(forgetful: Services) -> None:
    assert notes(forgetful) == []
    forgetful.store.change("own", lambda job, _now: job.evolve(task_id="task"))
    assert kept(forgetful) == {"a": "input:0", "b": 1}
    delete_unrecorded(forgetful, forgetful.store.now())
    assert kept(forgetful) is None and objects(forgetful) == [] and notes(forgetful) == []


@pytest.mark.parametrize("is_replayed", [False, True])
def test_an_input_that_bfl_never_had_is_deleted_after_a_day(
    forgetful: Services, *, is_replayed: bool
) -> None:
    store, timeouts = forgetful.store, forgetful.settings.timeouts
    store.change("own", lambda job, now: job.ended(now, Status.FAILED))
    if is_replayed:  # it is still of use
        store.change("own", lambda job, now: submission.replay(job, now, timeouts))
    now = forgetful.store.now()
    delete_unrecorded(forgetful, now + REPLAY_SECONDS - 60)
    assert kept(forgetful) and len(objects(forgetful)) == 1
    delete_unrecorded(forgetful, now + REPLAY_SECONDS + 1)
    assert (bool(kept(forgetful)), bool(objects(forgetful))) == (is_replayed, is_replayed)
