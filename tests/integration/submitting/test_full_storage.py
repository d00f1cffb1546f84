"""A storage that refuses: nothing is ordered from BFL that could not be stored."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from jobs.services import Services
from jobs.storage.base import Space
from jobs.storage.bucket import BucketStorage
from jobs.storage.local import LocalStorage
from jobs.storage.providers import Provider
from jobs.store.submission_queue import ALL_MODELS
from receiver.checks import storage
from receiver.checks.context import Context
from receiver.checks.result import Grade, Result
from tests.harness import S3Server
from tests.harness.local_worker import LocalWorker, submission_body
from tests.harness.odd_s3_server import Oddities, OddS3Server
from tests.harness.parts import api_over
from tests.harness.publishing import QUICK
from tests.sandbox import Sandbox
from worker import submit

REFUSALS = {
    "507": (507, "InsufficientStorage"),
    "a quota": (403, "QuotaExceeded"),
    "a key that may not write": (403, "AccessDenied"),
    "MinIO": (507, "XMinioStorageFull"),
    "an outage": (500, "InternalError"),
}
TMPFS_BYTES = 16 * 2**20
TMPFS_FILES = 1000


@pytest.fixture
def server(s3_server: S3Server) -> Iterator[OddS3Server]:
    with OddS3Server(s3_server, Oddities()) as odd:
        yield odd


@pytest.fixture
def bucket_worker(worker: LocalWorker, server: OddS3Server, temporary: Path) -> LocalWorker:
    """A worker whose media go into a bucket that may refuse them."""
    assert temporary.exists()
    name = f"keep-{uuid4()}"
    server.bucket(name)
    services: Any = worker.services
    services.storage = BucketStorage(Provider(f"s3://{name}", server.variables, QUICK))
    worker.storage = services.storage
    return worker


def relieve(worker: LocalWorker) -> None:
    """The pause is over, and the refusal was longer ago than a minute."""
    worker.close_circuits()
    worker.redis.delete("fluxkeep:problem:storage")


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_a_text_is_not_sent_while_the_bucket_refuses(
    bucket_worker: LocalWorker, server: OddS3Server, refusal: tuple[int, str]
) -> None:
    worker = bucket_worker
    server.oddities = Oddities(refusal=refusal)
    worker.post("a", given=submission_body())
    worker.post("b", given=submission_body())
    assert worker.work()
    assert not worker.work()
    assert worker.posts() == 0
    waiting = worker.job("a")
    assert waiting.status == "queued" and waiting.submission.is_queued
    assert "the storage refuses" in str(waiting.timeline[-1].detail["reason"])
    assert 0 < worker.circuits()[ALL_MODELS] <= submit.STORAGE_PAUSE_SECONDS
    server.oddities = Oddities()
    relieve(worker)
    assert worker.work() and worker.work()
    assert worker.job("a").task_id and worker.job("b").task_id
    assert worker.circuits() == {}


def test_a_job_keeps_its_place_however_long_it_waits(
    bucket_worker: LocalWorker, server: OddS3Server
) -> None:
    worker = bucket_worker
    server.oddities = Oddities(refusal=(507, "Full"))
    worker.post("a", given=submission_body())
    worker.post("b", given=submission_body())
    for _ in range(8):
        worker.close_circuits()
        assert worker.work()
        assert worker.circuits()[ALL_MODELS] <= submit.STORAGE_PAUSE_SECONDS
    assert worker.next() is None
    worker.close_circuits()
    assert worker.next() == "a"


@pytest.fixture
def probes(worker: LocalWorker, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes with which the storage is tried."""
    sizes = list[int]()
    monkeypatch.setattr(worker.storage, "probe", sizes.append)
    return sizes


def test_a_storage_that_takes_objects_is_not_tried_for_each_job(
    worker: LocalWorker, probes: list[int]
) -> None:
    for job_id in "ab":
        worker.post(job_id, given=submission_body())
        assert worker.work()
    assert worker.posts() == 2
    assert len(probes) == 1


def test_after_a_refused_rescue_more_than_a_few_bytes_must_fit(
    worker: LocalWorker, probes: list[int]
) -> None:
    worker.services.storage_room.require(worker.storage)
    worker.services.health_probes.report_problem("storage", "full")
    worker.services.storage_room.require(worker.storage)
    assert probes == [8, 4 * 2**20]


def test_a_drop_in_client_sees_a_job_that_waits(
    bucket_worker: LocalWorker, server: OddS3Server
) -> None:
    worker = bucket_worker
    api = api_over(worker.services)
    server.oddities = Oddities(refusal=(507, "Full"))
    answer = api.post("/v1/flux-2-pro", json={"prompt": "a fox"})
    assert answer.status_code == 200
    assert worker.work()
    poll = api.get(f"/v1/get_result?id={answer.get_json()['id']}")
    assert poll.get_json()["status"] == "Pending"
    assert worker.posts() == 0


def check_of(services: Services) -> Result:
    (result,) = storage.check(Context(services.settings, services))
    return result


@pytest.mark.parametrize(
    ("free_bytes", "total_bytes", "grade"),
    [
        (10**12, 2 * 10**12, Grade.OK),
        (2 * 10**9, 10 * 10**9, Grade.OK),
        (10**9 - 1, 10 * 10**9, Grade.WARNING),
        (4 * 10**9, 100 * 10**9, Grade.WARNING),
        (4 * 2**20 - 1, 100 * 10**9, Grade.FAILED),
        (0, 100 * 10**9, Grade.FAILED),
    ],
)
def test_little_space_is_said_before_it_is_none(
    worker: LocalWorker,
    monkeypatch: pytest.MonkeyPatch,
    free_bytes: int,
    total_bytes: int,
    grade: Grade,
) -> None:
    space = Space(free_bytes, total_bytes)
    monkeypatch.setattr(LocalStorage, "space", lambda _storage: space)
    result = check_of(worker.services)
    assert result.grade is grade
    shown = api_over(worker.services).get("/readyz").get_json()["checks"]["storage"]
    assert shown == ("ok" if grade is Grade.OK else result.why)


def test_a_volume_that_calls_everything_0_has_no_known_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nothing:
        f_blocks = f_bavail = f_frsize = 0

    monkeypatch.setattr("jobs.storage.local.os.statvfs", lambda _path: Nothing)
    assert LocalStorage(tmp_path).space() is None


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    directory = tmp_path / "volume"
    directory.mkdir()
    program = shutil.which("mount") or "mount"
    command = [
        program,
        "-t",
        "tmpfs",
        "-o",
        f"size={TMPFS_BYTES},nr_inodes={TMPFS_FILES}",
        "tmpfs",
        str(directory),
    ]
    mounted = subprocess.run(command, check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("this user cannot mount a file system")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)  # noqa: S607


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_full_disk_pauses_submissions_and_relief_ends_the_pause(
    redis: Redis, sandbox: Sandbox, small_volume: Path, temporary: Path
) -> None:
    media = (small_volume / "media").as_uri()
    worker = LocalWorker.over(redis, sandbox, temporary, MEDIA_URL=media)
    ballast = small_volume / "ballast"
    with pytest.raises(OSError, match="No space"):
        fill(ballast)
    worker.post("a", given=submission_body())
    assert worker.work()
    assert worker.posts() == 0
    assert "No space left on device" in str(worker.job("a").timeline[-1].detail["reason"])
    result = check_of(worker.services)
    assert result.grade is Grade.FAILED and "No space left on device" in result.why
    ballast.unlink()
    relieve(worker)
    assert worker.work()
    assert worker.job("a").task_id
    assert check_of(worker.services).grade is Grade.WARNING  # less than a gigabyte


def fill_with_files(directory: Path) -> None:
    directory.mkdir()
    for number in range(TMPFS_FILES):
        (directory / str(number)).touch()


def test_no_further_job_is_paid_from_the_moment_a_disk_takes_nothing(
    redis: Redis, sandbox: Sandbox, small_volume: Path, temporary: Path
) -> None:
    media = (small_volume / "media").as_uri()
    worker = LocalWorker.over(redis, sandbox, temporary, MEDIA_URL=media)
    worker.post("before", given=submission_body())
    assert worker.work()
    assert worker.job("before").task_id
    ballast = small_volume / "ballast"
    many_files = small_volume / "many"

    def refuse(job_id: str, words: str) -> None:
        assert worker.work()
        assert worker.posts() == 1
        assert words in str(worker.job(job_id).timeline[-1].detail["reason"])
        assert check_of(worker.services).grade is Grade.FAILED
        relieve(worker)

    with pytest.raises(OSError, match="No space"):
        fill(ballast)
    worker.post("a", given=submission_body())
    refuse("a", "No space left on device")
    ballast.unlink()
    with pytest.raises(OSError, match="No space"):
        fill_with_files(many_files)
    refuse("a", "No space left on device")
    shutil.rmtree(many_files)
    remount(small_volume, "ro")
    refuse("a", "Read-only file system")
    remount(small_volume, "rw")
    assert worker.work()
    assert worker.job("a").task_id


def remount(volume: Path, mode: str) -> None:
    program = shutil.which("mount") or "mount"
    subprocess.run([program, "-o", f"remount,{mode}", str(volume)], check=True)
