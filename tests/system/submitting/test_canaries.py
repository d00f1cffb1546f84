"""Nothing that a person gave is left after a deletion, in whatever state and age the job is."""

import base64
import json
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from redis import Redis

from jobs.store.redis.keys import ERASURES
from tests.harness import CommandLine, Stack, stopped_stack, wait_for
from tests.harness.invariants import dump
from tests.harness.past_jobs import DAY_SECONDS, Archive
from tests.sandbox import Settings
from tests.sandbox.formats import gradient
from worker.periodic.retention import RetentionCleanup

SLOW_SECONDS = 600.0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["directory", "bucket"])
def env(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    bucket = None
    if request.param == "bucket":
        bucket = request.getfixturevalue("s3_server").bucket(f"keep-{uuid.uuid4()}")
    directory = tmp_path_factory.mktemp("canaries")
    with stopped_stack(directory, Settings(), bucket) as stack:
        stack.installation.settings["PUBLIC_URL"] = stack.installation.url
        stack.installation.start()
        stack.installation.wait_until_ready(path="/readyz")
        yield stack


class Given:
    """Input of a person: a canary in the prompt, in an image and in the metadata."""

    def __init__(self, env: Stack, *, is_long: bool) -> None:
        self.env, self.name = env, f"canary-{uuid.uuid4().hex}"
        self.image = gradient(5) + self.name.encode() * 9
        self.encoded = base64.b64encode(self.image).decode()
        self.prompt = f"{self.name} " * (99 if is_long else 1)

    def input(self, **switches: Any) -> dict[str, Any]:
        given = {"prompt": self.prompt, "input_image": self.encoded}
        return given | {"sandbox": {"seconds": 0.02, "format": "jpeg", **switches}}

    def post(self, status: str = "", **switches: Any) -> str:
        """The id of a job that Fluxkeep submits, once it has this status."""
        body = {"model": "flux-2-pro", "input": self.input(**switches)}
        answer = self.env.post(body | {"metadata": {"who": self.name}})
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["id"]
        if status:
            self.env.client.wait_for(job_id, status)
        return job_id

    def put(self, status: str, **switches: Any) -> str:
        """The id of a task that its caller submitted, announced with its input."""
        task = self.env.generate(**switches)
        brought = {"prompt": self.prompt, "input_image": self.encoded}
        answer = self.env.client.put_job(task.id, input=brought, metadata={"who": self.name})
        assert answer.status_code in (200, 201), answer.text
        self.env.client.wait_for(task.id, status)
        return task.id

    def places(self) -> list[str]:
        """Where a canary is: names of keys, objects, staged files and logs."""
        installation = self.env.installation
        texts = [self.name.encode(), self.encoded[-200:-100].encode()]
        with installation.redis.client() as redis:
            found = {f"Redis {key!r}": key + body for key, body in everything(redis)}
        stored = installation.stored_objects
        for key in stored.sizes():
            with suppress(FileNotFoundError):  # deleted since it was listed
                found[key] = stored.read(key)
        directory = installation.directory
        for path in (*directory.glob("media/.staging/*"), *directory.glob("tmp/**/*")):
            with suppress(FileNotFoundError, IsADirectoryError):
                found[str(path)] = path.read_bytes()
        found["logs"] = installation.logs().encode()
        return [name for name, body in found.items() if any(text in body for text in texts)]


def everything(redis: Redis) -> Iterator[tuple[bytes, bytes]]:
    """Each key with its value; records of ended jobs are compressed."""
    for key in redis.scan_iter():
        value: Any = redis.get(key) if redis.type(key) == b"string" else None
        if value and b" 2 x" in value[:24]:
            value = zlib.decompress(value.split(b" ", 2)[2])
        yield key, value if value is not None else dump(redis, key).encode()


def queued(given: Given) -> str:
    given.env.installation.stop("worker")
    return given.post("queued")


def stored(given: Given) -> str:
    job_id = given.post("stored")
    wait_for("its thumbnail", lambda: job_id not in given.env.awaiting_thumbnails())
    return job_id


def repeated(given: Given) -> str:
    """The repeat of a job, which was deleted itself."""
    original = given.post("stored")
    answer = given.env.client.request("POST", f"/api/jobs/{original}/repeats", json={})
    assert answer.status_code == 202, answer.text
    delete(given, original, 204)
    return str(answer.json()["id"])


def replayed(given: Given) -> str:
    job_id = given.post("failed", outcome="error")
    assert given.env.client.request("POST", f"/api/jobs/{job_id}/replays").status_code == 202
    given.env.client.wait_for(job_id, "failed")
    return job_id


def by_a_client_of_bfl(given: Given) -> str:
    answer = given.env.client.request("POST", "/v1/flux-2-pro", json=given.input())
    assert answer.status_code == 200, answer.text
    job_id: str = answer.json()["id"]
    given.env.client.wait_for(job_id, "stored")
    return job_id


def after_retention(given: Given) -> str:
    """Its record is gone, its media stay."""
    job_id = stored(given)
    settings = given.env.installation.settings | {"RETAIN_JOBS_DAYS": "0.000001"}
    archive = Archive.over(given.env.installation.redis, settings)
    cleanup = RetentionCleanup(archive.services)
    wait_for("the record is gone", lambda: cleanup.step() and archive.store.load(job_id) is None)
    return job_id


def after_a_loss(given: Given) -> str:
    """Redis lost its record, and has no tombstone of it."""
    job_id = given.put("stored", format="jpeg")
    archive = Archive.over(given.env.installation.redis, given.env.installation.settings)
    wait_for("its thumbnail", lambda: job_id not in given.env.awaiting_thumbnails())
    assert (job := archive.store.load(job_id)) and archive.store.delete_unchanged(job)
    return job_id


WITH_RECORD: dict[str, Callable[[Given], str]] = {
    "queued": queued,
    "submitted": lambda given: given.post("submitted", seconds=SLOW_SECONDS),
    "ready": lambda given: given.post("ready", size=400_000, drip=100_000),
    "stored": stored,
    "moderated": lambda given: given.post("moderated", outcome="content_moderated"),
    "failed": lambda given: given.post("failed", outcome="error"),
    "refused": lambda given: given.post("failed", submit_status=422),
    "announced and submitted": lambda given: given.put("submitted", seconds=SLOW_SECONDS),
    "announced and stored": lambda given: given.put("stored", format="jpeg"),
    "repeated": repeated,
    "replayed": replayed,
    "by a client of BFL": by_a_client_of_bfl,
}
# A loss is left to the command line.
WITHOUT_RECORD = {"after retention": after_retention}
ONE_BY_ONE = ("stored", "by a client of BFL")  # which gives no metadata


def delete(given: Given, job_id: str, status: int) -> None:
    answer = given.env.client.request("DELETE", f"/api/jobs/{job_id}")
    assert (answer.status_code, answer.content) == (status, b""), answer.text


def require_erased(given: Given) -> None:
    with suppress(TimeoutError):
        wait_for("nothing is left", lambda: not given.places(), 45)
    assert given.places() == []


def skip_days(env: Stack, job_id: str) -> None:
    """Search the last days alone, if at all: a bucket takes milliseconds for each."""
    with env.installation.redis.client() as redis:
        redis.zadd(ERASURES, {job_id: time.time() - 10 * DAY_SECONDS}, xx=True, gt=True)


def test_one_call_erases_a_person(env: Stack) -> None:
    """Jobs of every state and age, and none of another person."""
    given, another = Given(env, is_long=False), Given(env, is_long=False)
    other = another.post("stored")
    makes = [make for age, make in WITH_RECORD.items() if age not in ONE_BY_ONE]
    for n, make in enumerate([*makes[1:], makes[0]]):  # the last one stops the worker
        given.prompt = f"{given.name} " * (99 if n % 2 else 1)
        make(given)
    query = {"metadata.who": given.name}
    asked = env.client.request("DELETE", "/api/jobs", params=query).json()
    assert asked["count"] == len(makes) and given.places()
    query |= {"count": asked["count"], "until": asked["until"]}
    begun = env.client.request("DELETE", "/api/jobs", params=query)
    env.installation.start("worker")
    location = begun.headers["Location"]
    ended = wait_for(
        "it ends", lambda: (found := env.client.get(location).json())["ended_at"] and found
    )
    assert (ended["done"], ended["failed"]) == (len(makes), [])
    require_erased(given)
    assert another.places() and env.client.find(other)


@pytest.mark.parametrize("age", [*ONE_BY_ONE, *WITHOUT_RECORD])
def test_nothing_that_was_given_is_left(env: Stack, age: str) -> None:
    given = Given(env, is_long=age == "stored")
    job_id = {**WITH_RECORD, **WITHOUT_RECORD}[age](given)
    assert given.places(), "the canaries are where they should be before"
    delete(given, job_id, 204 if age in WITH_RECORD else 202)
    skip_days(env, job_id)
    if not env.installation.worker:
        env.installation.start("worker")
    require_erased(given)
    objects = env.installation.stored_objects  # a thumbnail may be drawn as its job goes
    wait_for("no object", lambda: not [key for key in objects.sizes() if job_id in key])
    assert env.client.find(job_id) is None


def test_the_command_line_deletes_with_and_without_a_record(env: Stack) -> None:
    given, shell = Given(env, is_long=True), CommandLine(env.installation)
    ids = after_a_loss(given), given.post("stored")
    result = shell.run("jobs", "delete", *ids, "not/an/id")
    skip_days(env, ids[0])
    assert result.code == 1 and "No job has this id" in result.err
    assert result.out.splitlines() == [
        f"{ids[0]}  has no record; the storage is searched for its objects",
        f"{ids[1]}  deleted",
    ]
    require_erased(given)
    assert json.loads(shell.run("jobs", "list", "--json").out) == []
