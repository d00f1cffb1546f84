"""Objects that are there and on no record: adopted when they are sound, else put right."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from redis import Redis

from jobs import ingest, services, settings
from jobs.job import Job
from jobs.media import object_key
from jobs.report import Report
from jobs.states import News, Source, State
from tests.harness import RedisServer, TestBucket
from tests.harness.floor import Floor
from tests.sandbox import Sandbox, Task
from worker import rescue
from worker.claim import Claim


@pytest.fixture(params=["directory", "bucket"])
def floor(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    sandbox: Sandbox,
    temporary: Path,
    bucket: TestBucket,
) -> Iterator[Floor]:
    storage = {"MEDIA_URL": (temporary / "media").as_uri()}
    environment = {
        "WEBHOOK_SECRET": "webhook-secret-of-tests",
        "SECRET_KEY": "signing-key-of-tests",
        "API_KEYS": "a:admin-key-of-tests:admin",
        "BFL_API_KEY": "k",
        "BFL_SANDBOX_URL": sandbox.url,
        **(bucket.settings if request.param == "bucket" else storage),
    }
    redis: Redis
    with redis_server.client() as redis:
        yield Floor(services.build(settings.load(environment), redis), sandbox)


def never_claimed(job: Job | None, now: float) -> Job | None:
    """The next worker is the first that comes, and does not look for what another one left."""
    return job and job.described(now, {"fence": 0})


def another_picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "JPEG")
    return file.getvalue()


def called_with_a_dead_url(floor: Floor, task: Task) -> None:
    """BFL has no fresh one either."""
    url = f"{floor.box.url}/gone/sample.jpeg"
    report = Report(task_id=task.id, news=News.READY, source=Source.CALLBACK, urls=(url,))
    ingest.apply_report(floor.wired.store, report, floor.wired.settings.patience)
    floor.wired.store.change(task.id, lambda job, _now: job and replace(job, asked_again=True))


def left_behind(floor: Floor, task: Task, body: bytes, *, died: bool) -> str:
    """The key under which somebody put these bytes; with `died` it was a worker of ours."""
    claim = Claim.take(floor.wired.store, task.id) if died else None
    created_at = floor.job(task).created_at
    key = object_key(task.id, created_at, 0, "image/jpeg")
    with floor.wired.media.staging(task.id) as path:
        path.write_bytes(body)
        assert floor.wired.media.publish(path, key)
    if claim:
        floor.die_with(claim)
    else:
        floor.wired.store.change(task.id, never_claimed)
    return key


def stored(floor: Floor, task: Task) -> bytes:
    """What is kept of a job after one more turn, as its record and its note say."""
    assert floor.take(task)
    job = floor.job(task)
    assert job.state is State.STORED
    (kept,) = job.media
    body = b"".join(floor.wired.media.read(kept.key))
    assert kept.bytes == len(body) and (kept.width or 0) > 0
    return body


def test_what_a_dead_worker_published_is_adopted_without_a_download(floor: Floor) -> None:
    task = floor.ready()
    left_behind(floor, task, floor.box.picture(task.id), died=True)
    assert stored(floor, task) == floor.box.picture(task.id)
    assert floor.downloads(task) == 0


def test_what_was_kept_before_redis_was_lost_survives_a_dead_url(floor: Floor) -> None:
    task = floor.ready()
    body = stored(floor, task)
    before = floor.job(task)
    floor.wired.redis.flushall()
    called_with_a_dead_url(floor, task)
    assert stored(floor, task) == body
    after = floor.job(task)
    assert [file.sha256 for file in after.media] == [file.sha256 for file in before.media]
    assert "found its media kept" in [line.what for line in after.timeline]


def test_what_a_note_says_is_stored_is_dropped_only_for_a_job_that_was_deleted(
    floor: Floor,
) -> None:
    task = floor.ready()
    before = floor.job(task)
    stored(floor, task)
    key = floor.job(task).media[0].key
    floor.wired.redis.flushall()
    rescue.drop_if_over(floor.wired, before)
    assert floor.wired.media.size(key) is not None
    floor.wired.store.forget(before)
    rescue.drop_if_over(floor.wired, before)
    assert floor.wired.media.size(key) is None


def test_what_breaks_off_is_not_adopted(floor: Floor) -> None:
    task = floor.ready()
    left_behind(floor, task, floor.box.picture(task.id)[:-200], died=True)
    assert stored(floor, task) == floor.box.picture(task.id)
    assert floor.downloads(task) == 1


def test_what_is_no_medium_is_not_adopted(floor: Floor) -> None:
    task = floor.ready()
    left_behind(floor, task, b"<html>", died=True)
    assert stored(floor, task) == floor.box.picture(task.id)


def test_the_same_bytes_on_no_record_are_left_where_they_are(floor: Floor) -> None:
    task = floor.ready()
    left_behind(floor, task, floor.box.picture(task.id), died=False)
    assert stored(floor, task) == floor.box.picture(task.id)
    assert floor.downloads(task) == 1


def test_other_bytes_on_no_record_make_room_for_what_bfl_delivers(floor: Floor) -> None:
    task = floor.ready()
    left_behind(floor, task, another_picture(), died=False)
    assert stored(floor, task) == floor.box.picture(task.id)


def test_a_worker_that_lost_its_job_touches_nothing_that_stands_there(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen on its way into the storage, it wakes when another one has stored the job."""
    task = floor.ready()
    media = floor.wired.media
    body = another_picture()

    def frozen(staged: Path, key: str, name: str = "") -> bool:
        monkeypatch.delattr(media, "publish")
        left_behind(floor, task, body, died=False)
        floor.wired.store.change(task.id, lambda job, now: job and job.claimed(now))
        return media.publish(staged, key, name)

    monkeypatch.setattr(media, "publish", frozen)
    assert floor.take(task)
    key = object_key(task.id, floor.job(task).created_at, 0, "image/jpeg")
    assert b"".join(media.read(key)) == body
    assert floor.job(task).state is State.READY
