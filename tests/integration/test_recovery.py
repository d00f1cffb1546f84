"""Files that a worker published and did not commit: recovered when intact, else deleted."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from redis import Redis

from jobs import ingest, services
from jobs.config import settings
from jobs.errors import ClaimLost, TransferFailed
from jobs.job import Job
from jobs.report import Report
from jobs.serializer import sidecar
from jobs.status import ReportKind, Source, Status
from jobs.storage.base import MediaStorage
from jobs.storage.layout import ObjectKind, fencing_token_of, kind_of, sidecar_key
from tests.harness import RedisServer, TestBucket
from tests.harness.floor import Floor
from tests.harness.patience import wait_for
from tests.sandbox import Sandbox, Task
from worker import recovery, rescue
from worker.claim import Claim
from worker.rescue import Rescue


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


def claimed(floor: Floor, task: Task) -> Claim:
    claim = Claim.acquire(floor.wired.store, task.id)
    assert claim is not None
    return claim


def published_by_a_dead_worker(floor: Floor, task: Task) -> str:
    """The key of an object whose worker was killed before it committed."""
    claim = claimed(floor, task)
    Rescue(floor.wired, claim).rescue_files()
    floor.die_with(claim)
    (key,) = objects(floor, task)
    assert fencing_token_of(key) == claim.job.check.fencing_token
    return key


def objects(floor: Floor, task: Task) -> list[str]:
    job, media = floor.job(task), floor.wired.media
    found = [one.key for one in media.list_job_objects(job.id, job.created_at)]
    return [key for key in found if kind_of(key) is ObjectKind.MEDIA]


def assert_stored(floor: Floor, task: Task) -> None:
    """The storage has the files of the record, with their sidecars, and nothing else."""
    job, media = floor.job(task), floor.wired.media
    assert job.status is Status.STORED
    assert sorted(objects(floor, task)) == sorted(file.key for file in job.media)
    for n, file in enumerate(job.media):
        assert b"".join(media.read(file.key)) == floor.box.picture(task.id, n)
        assert b"".join(media.read(sidecar_key(file.key))) == sidecar(job)
        assert media.sha256(file.key) == file.sha256
    listed = {one.key for one in media.list_job_objects(job.id, job.created_at)}
    assert {key for key in listed if key.endswith(".json")} == {
        sidecar_key(file.key) for file in job.media
    }


def another_picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "JPEG")
    return file.getvalue()


def put(media: MediaStorage, key: str, body: bytes) -> None:
    with media.staging("job") as path:
        path.write_bytes(body)
        media.publish(path, key)


def test_what_a_dead_worker_published_is_recovered_without_a_download(floor: Floor) -> None:
    task = floor.ready()
    key = published_by_a_dead_worker(floor, task)
    assert floor.take(task)
    assert_stored(floor, task)
    assert objects(floor, task) == [key] and floor.downloads(task) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda media, key: media.delete(sidecar_key(key)),
        lambda media, key: media.write(sidecar_key(key), b"{"),
        lambda media, key: media.delete(key),
        lambda media, key: put(media, key, another_picture()),
        lambda media, key: put(media, key, b"x" * (media.size(key) or 0)),
    ],
    ids=["no sidecar", "broken sidecar", "no object", "another object", "damaged object"],
)
def test_what_is_not_intact_is_downloaded_again_and_deleted(
    floor: Floor, spoil: Callable[[MediaStorage, str], None]
) -> None:
    task = floor.ready()
    key = published_by_a_dead_worker(floor, task)
    spoil(floor.wired.media, key)
    assert floor.take(task)
    assert_stored(floor, task)
    assert key not in objects(floor, task) and floor.downloads(task) == 2


def test_each_file_of_several_is_downloaded_once(floor: Floor) -> None:
    """The first one was published when the connection of the second was cut."""
    task = floor.ready(samples=2, size=60_000, drip=60_000)
    claim = claimed(floor, task)

    def lose() -> None:
        wait_for("the second file", lambda: floor.downloads(task) == 2)
        claim.abort()

    loser = threading.Thread(target=lose)
    loser.start()
    with pytest.raises(ClaimLost):
        Rescue(floor.wired, claim).rescue_files()
    loser.join()
    floor.die_with(claim)
    assert len(objects(floor, task)) == 1
    assert floor.take(task)
    assert_stored(floor, task)
    assert len({fencing_token_of(key) for key in objects(floor, task)}) == 2
    assert floor.downloads(task) == 3


def test_two_workers_that_both_believe_to_own_a_job_leave_one_object(floor: Floor) -> None:
    task = floor.ready()
    late = claimed(floor, task)
    floor.die_with(late)
    quick = claimed(floor, task)
    with ThreadPoolExecutor(2) as workers:
        begun = [workers.submit(rescue.rescue, floor.wired, claim) for claim in (late, quick)]
    assert [type(one.exception()) for one in begun] == [ClaimLost, type(None)]
    assert_stored(floor, task)


def test_a_late_worker_deletes_its_own_file_of_a_job_that_has_ended(floor: Floor) -> None:
    task = floor.ready()
    late = claimed(floor, task)
    floor.die_with(late)
    assert floor.take(task)
    with pytest.raises(ClaimLost):
        rescue.rescue(floor.wired, late)
    assert_stored(floor, task)
    assert floor.downloads(task) == 2


def test_a_late_worker_leaves_its_file_to_the_job_that_is_under_way(floor: Floor) -> None:
    task = floor.ready()
    late = claimed(floor, task)
    floor.die_with(late)
    claim = claimed(floor, task)
    with pytest.raises(ClaimLost):
        rescue.rescue(floor.wired, late)
    assert len(objects(floor, task)) == 1
    rescue.rescue(floor.wired, claim)
    assert_stored(floor, task)
    assert floor.downloads(task) == 1


def test_a_late_worker_of_a_forgotten_job_leaves_nothing(floor: Floor) -> None:
    task = floor.ready()
    claim = claimed(floor, task)
    floor.wired.store.delete(claim.job)
    with pytest.raises(ClaimLost):
        rescue.rescue(floor.wired, claim)
    assert list(floor.wired.media.list_objects()) == []


# After Redis was lost.


def called_with_a_dead_url(floor: Floor, task: Task) -> None:
    """BFL has no fresh one either."""
    url = f"{floor.box.url}/gone/sample.jpeg"
    report = Report(task_id=task.id, news=ReportKind.READY, source=Source.CALLBACK, urls=(url,))
    ingest.apply_report(floor.wired.store, report, floor.wired.settings.timeouts)
    floor.wired.store.update(task.id, lambda job, _now: job and job.with_delivery(refreshed=True))


def test_what_was_stored_before_redis_was_lost_survives_a_dead_url(floor: Floor) -> None:
    task = floor.ready()
    assert floor.take(task)
    before = floor.job(task)
    floor.wired.redis.flushall()
    called_with_a_dead_url(floor, task)
    assert floor.take(task)
    assert_stored(floor, task)
    after = floor.job(task)
    assert [file.sha256 for file in after.media] == [file.sha256 for file in before.media]
    assert "rescue.recovered" in [line.event for line in after.timeline]


def test_a_lost_history_repeats_no_name(floor: Floor) -> None:
    """The fencing token comes from the clock of Redis: nothing that was stored is overwritten."""
    task = floor.ready()
    assert floor.take(task)
    (before,) = objects(floor, task)
    floor.wired.redis.flushall()
    floor.unclear(task)
    assert floor.take(task) and floor.take(task)
    assert floor.job(task).status is Status.STORED
    (file,) = floor.job(task).media
    assert {before} < set(objects(floor, task)) and file.key != before


def test_what_a_sidecar_says_is_stored_is_deleted_only_with_its_job(floor: Floor) -> None:
    task = floor.ready()
    assert floor.take(task)
    job: Job = floor.job(task)
    floor.wired.redis.flushall()
    recovery.delete_superseded(floor.wired, job)
    assert floor.wired.media.size(job.media[0].key) is not None
    floor.wired.store.delete(job)
    recovery.delete_superseded(floor.wired, job)
    assert list(floor.wired.media.list_objects()) == []


def test_a_download_that_breaks_off_publishes_nothing(floor: Floor) -> None:
    task = floor.ready(short_body=9)
    with pytest.raises(TransferFailed):
        Rescue(floor.wired, claimed(floor, task)).rescue_files()
    assert list(floor.wired.media.list_objects()) == []
