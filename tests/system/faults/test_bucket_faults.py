"""A bucket that is slow, silent or gone, and workers killed on the way into it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.harness import S3Server, TcpProxy, TestBucket
from tests.harness.invariants import check
from tests.harness.patience import wait_for
from tests.harness.scene import Scene, stopped_scene
from tests.harness.tripwire import Tripwire
from tests.sandbox import Task

STORED_WITHIN_SECONDS = 75.0
TRICKLE = 200_000  # bytes per second

pytestmark = pytest.mark.slow


@pytest.fixture
def wire(s3_server: S3Server) -> Iterator[TcpProxy]:
    """What lies between Fluxkeep and the bucket."""
    with TcpProxy(s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def scene(tmp_path: Path, bucket: TestBucket) -> Iterator[Scene]:
    with stopped_scene(tmp_path, bucket=bucket) as stopped:
        yield stopped


@pytest.fixture
def wired_scene(scene: Scene, wire: TcpProxy) -> Scene:
    """Everything runs and reaches the bucket by the wire."""
    scene.installation.settings["AWS_ENDPOINT_URL"] = wire.url
    scene.installation.settings["MEDIA_SERVE"] = "stream"
    scene.installation.start()
    scene.installation.wait_until_ready(path="/readyz")
    return scene


def storage_says(scene: Scene) -> str:
    body = requests.get(f"{scene.installation.url}/readyz", timeout=30).json()
    return str(body["checks"]["storage"])


def postpone(scene: Scene, task: Task) -> str:
    """The reason on the timeline of a job whose rescue did not work."""

    def reason() -> str | None:
        lines = (scene.client.find(task.id) or {"timeline": []})["timeline"]
        said = [line["detail"]["reason"] for line in lines if line["event"] == "rescue.retried"]
        return said[-1] if said else None

    return wait_for("the rescue is put off", reason, 60)


@pytest.mark.parametrize("size", [1_000_000, 12_000_000], ids=["whole", "in parts"])
def test_a_worker_killed_in_the_middle_of_an_upload_leaves_one_whole_object(
    scene: Scene, wire: TcpProxy, size: int
) -> None:
    installation = scene.installation
    installation.start("web", "sweep")
    (worker,) = installation.start("worker", AWS_ENDPOINT_URL=wire.url)
    installation.wait_until_ready()
    kept = scene.generate(size=50_000)
    scene.client.wait_for(kept.id, "stored")
    wire.slow(TRICKLE)
    task = scene.generate(size=size)
    wait_for("the upload is under way", lambda: under_way(scene, wire), 60)
    time.sleep(1)  # some of its bytes are there
    worker.kill_all()
    assert scene.keys(task) == [], "half an object is none"
    installation.start("worker")
    job = scene.stored(task, STORED_WITHIN_SECONDS)
    assert len(scene.keys(task)) == 1
    assert job["media"][0]["bytes"] == size
    # What its dead worker had staged is dropped a minute after it was written.
    check(installation)


def under_way(scene: Scene, wire: TcpProxy) -> bool:
    staged = scene.installation.shelf.staged(time.time() + 1)
    return bool(staged) and wire.connections > 0


def test_what_was_published_before_the_commit_is_adopted(scene: Scene) -> None:
    installation = scene.installation
    installation.start("web", "sweep")
    with Tripwire(installation.redis.port) as redis_wire:
        redis_wire.arm(b"fluxkeep:jobs:stored")
        url = installation.redis.url_through(redis_wire.port)
        (worker,) = installation.start("worker", REDIS_URL=url)
        installation.wait_until_ready()
        task = scene.generate()
        redis_wire.wait()
        assert len(scene.keys(task)) == 1
        worker.kill_all()
    installation.start("worker")
    scene.stored(task, STORED_WITHIN_SECONDS)
    assert len(scene.deliveries(task)) == 1, "it was not fetched again"
    scene.settled()


@pytest.mark.parametrize("fault", ["refuse", "hang"])
def test_a_bucket_that_is_away_for_a_while_kills_nobody_and_costs_nothing(
    wired_scene: Scene, wire: TcpProxy, fault: str
) -> None:
    scene, installation = wired_scene, wired_scene.installation
    kept = scene.generate()
    scene.stored(kept)
    before = [process.pid for process in (*installation.worker, *installation.sweep)]
    wire.refuse() if fault == "refuse" else wire.hang()
    task = scene.generate()
    wait_for("it is said", lambda: storage_says(scene) != "ok", 30)
    assert storage_says(scene) == "cannot be used: the bucket does not answer"
    link = scene.client.job(kept.id)["media"][0]["url"]
    assert requests.get(link, timeout=30).status_code == 503
    if fault == "refuse":
        assert "the bucket does not answer" in postpone(scene, task)
    wire.pass_on()
    wire.cut()
    scene.stored(task, STORED_WITHIN_SECONDS + 60)
    scene.stored(kept)
    assert before == [process.pid for process in (*installation.worker, *installation.sweep)]
    wait_for("it is ready again", lambda: storage_says(scene) == "ok", 30)
    scene.settled()


def test_a_bucket_that_hangs_holds_nobody_else_up(wired_scene: Scene, wire: TcpProxy) -> None:
    scene = wired_scene
    kept = scene.generate()
    scene.stored(kept)
    link = scene.client.job(kept.id)["media"][0]["url"]
    wire.hang()
    slowest, answered, asked_at = 0.0, 0, time.monotonic()
    with ThreadPoolExecutor(4) as visitors:
        waiting = [visitors.submit(requests.get, link, timeout=30) for _ in range(4)]
        while not any(visitor.done() for visitor in waiting):
            began = time.monotonic()
            assert requests.get(f"{scene.installation.url}/healthz", timeout=15).ok
            slowest, answered = max(slowest, time.monotonic() - began), answered + 1
            time.sleep(0.05)
    assert [visitor.result().status_code for visitor in waiting] == [503] * 4
    assert slowest < (time.monotonic() - asked_at) / 2 and answered > 5
    wire.pass_on()


def test_a_bucket_that_hangs_stops_no_deadline_and_keeps_nobody_from_leaving(
    scene: Scene, wire: TcpProxy
) -> None:
    installation = scene.installation
    installation.settings |= {
        "AWS_ENDPOINT_URL": wire.url,
        "GIVE_UP_AFTER": "15",
        "GIVE_UP_AT_MOST": "15",
    }
    installation.start()
    installation.wait_until_ready(path="/readyz")
    wire.hang()
    first = scene.generate()
    time.sleep(5)  # its own deadline passes before the next one's
    second = scene.generate()
    for task in (first, second):
        assert scene.client.wait_for(task.id, timeout=40)["media"] == []
    checks = requests.get(f"{installation.url}/readyz", timeout=30).json()["checks"]
    assert checks["sweep"] == "ok"
    (sweep,), (worker,), began = installation.sweep, installation.worker, time.monotonic()
    for process in (sweep, worker):
        process.terminate()
    for process, seconds in ((sweep, 25), (worker, 28)):
        process.wait(max(began + seconds - time.monotonic(), 0.1))


def test_what_is_said_of_a_stored_job_while_the_bucket_hangs_is_on_record(
    wired_scene: Scene, wire: TcpProxy
) -> None:
    scene = wired_scene
    task = scene.generate()
    scene.stored(task)
    wire.hang()
    scene.expect(task, metadata={"album": "fog"})
    assert scene.client.job(task.id)["metadata"] == {"album": "fog"}
    assert "its sidecar is stale" in scene.installation.logs("web")
    wire.pass_on()


def test_a_download_that_breaks_off_is_cut_and_its_link_stays_out_of_the_log(
    wired_scene: Scene, wire: TcpProxy
) -> None:
    scene = wired_scene
    task = scene.generate(size=6_000_000)
    scene.stored(task)
    link = scene.client.job(task.id)["media"][0]["url"]
    wire.slow(1_000_000)
    with requests.get(link, timeout=30, stream=True) as answer:
        chunks = answer.iter_content(65536)
        assert next(chunks)
        wire.refuse()
        with pytest.raises(requests.RequestException):
            list(chunks)
    logs = scene.installation.logs("web")
    assert "in the middle of a download" in logs
    assert link.rpartition("/")[2] not in logs
