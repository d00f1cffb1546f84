"""A bucket that is slow, silent or gone, and workers killed on the way into it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.harness import (
    S3Server,
    Stack,
    TcpProxy,
    TestBucket,
    assert_invariants,
    stopped_stack,
    wait_for,
)
from tests.harness.patience import exit_codes

STORED_WITHIN_SECONDS = 75.0
EXIT_WITHIN_SECONDS = 28.0  # platforms send SIGKILL after 30
WHOLE_BYTES, IN_PARTS_BYTES = 1_000_000, 12_000_000
TRICKLE = 40_000  # bytes per second: the smaller upload takes 25 s

pytestmark = pytest.mark.slow


@pytest.fixture
def wire(s3_server: S3Server) -> Iterator[TcpProxy]:
    with TcpProxy(s3_server.port) as proxy:
        yield proxy


@pytest.fixture
def stack(tmp_path: Path, bucket: TestBucket) -> Iterator[Stack]:
    with stopped_stack(tmp_path, bucket=bucket) as stopped:
        yield stopped


@pytest.fixture
def proxied_stack(stack: Stack, wire: TcpProxy) -> Stack:
    """Everything runs and reaches the bucket by the wire."""
    stack.installation.settings["AWS_ENDPOINT_URL"] = wire.url
    stack.installation.start()
    stack.installation.wait_until_ready(path="/readyz")
    return stack


def storage_says(stack: Stack) -> str:
    body = requests.get(f"{stack.installation.url}/readyz", timeout=30).json()
    return str(body["checks"]["storage"])


def test_jobs_of_killed_workers_end_with_one_whole_object(stack: Stack, wire: TcpProxy) -> None:
    """The worker is killed during two uploads."""
    installation = stack.installation
    installation.start("web", "sweep")
    (worker,) = installation.start("worker", AWS_ENDPOINT_URL=wire.url)
    stack.stored(stack.generate(size=50_000))
    wire.slow(TRICKLE)
    uploading = {size: stack.generate(size=size) for size in (WHOLE_BYTES, IN_PARTS_BYTES)}
    wait_for("both uploads are under way", lambda: staged(stack) == 2 <= wire.connections, 60)
    time.sleep(1)  # some of their bytes are there
    worker.kill_all()
    for task in uploading.values():
        assert stack.keys(task) == [], "half an object is none"
    stack.expire_leases()
    installation.start("worker")
    for size, task in uploading.items():
        job = stack.stored(task, STORED_WITHIN_SECONDS)
        assert len(stack.keys(task)) == 1
        assert job["media"][0]["bytes"] == size
    # What its dead worker had staged is dropped a minute after it was written.
    assert_invariants(installation)


def staged(stack: Stack) -> int:
    return len(stack.installation.stored_objects.staged(time.time() + 1))


@pytest.mark.parametrize("fault", ["refuse", "hang"])
def test_an_outage_of_the_bucket_ends_no_process_and_loses_no_job(
    proxied_stack: Stack, wire: TcpProxy, fault: str
) -> None:
    stack, installation = proxied_stack, proxied_stack.installation
    kept = stack.generate()
    stack.stored(kept)
    before = [process.pid for process in (*installation.worker, *installation.sweep)]
    wire.refuse() if fault == "refuse" else wire.hang()
    task = stack.generate()
    wait_for("it is said", lambda: storage_says(stack) != "ok", 30)
    assert storage_says(stack) == "cannot be used: the bucket does not answer"
    link = stack.client.job(kept.id)["media"][0]["url"]
    assert requests.get(link, timeout=30).status_code == 503
    if fault == "refuse":
        assert "the bucket does not answer" in stack.retry_reason(task)
    wire.pass_on()
    wire.cut()
    stack.stored(task, STORED_WITHIN_SECONDS + 60)
    stack.stored(kept)
    assert before == [process.pid for process in (*installation.worker, *installation.sweep)]
    wait_for("it is ready again", lambda: storage_says(stack) == "ok", 30)
    stack.settled()


def test_a_bucket_that_hangs_delays_no_other_job(proxied_stack: Stack, wire: TcpProxy) -> None:
    stack = proxied_stack
    kept = stack.generate()
    stack.stored(kept)
    link = stack.client.job(kept.id)["media"][0]["url"]
    wire.hang()
    slowest, answered, asked_at = 0.0, 0, time.monotonic()
    with ThreadPoolExecutor(4) as visitors:
        waiting = [visitors.submit(requests.get, link, timeout=30) for _ in range(4)]
        while not any(visitor.done() for visitor in waiting):
            began = time.monotonic()
            assert requests.get(f"{stack.installation.url}/healthz", timeout=30).ok
            slowest, answered = max(slowest, time.monotonic() - began), answered + 1
            time.sleep(0.05)
    assert [visitor.result().status_code for visitor in waiting] == [503] * 4
    assert slowest < (time.monotonic() - asked_at) / 2 and answered > 5
    wire.pass_on()


def test_a_bucket_that_hangs_delays_no_deadline(stack: Stack, wire: TcpProxy) -> None:
    installation = stack.installation
    installation.settings |= {
        "AWS_ENDPOINT_URL": wire.url,
        "GIVE_UP_AFTER": "8",
        "GIVE_UP_AT_MOST": "8",
    }
    installation.start()
    installation.wait_until_ready(path="/readyz")
    wire.hang()
    looked_for = stack.generate()  # an earlier claim may have published its file
    time.sleep(3)  # its own deadline passes before the next one's
    lost = stack.announced(seconds=600)
    assert stack.client.wait_for(lost.id, timeout=40)["status"] == "lost"
    assert stack.client.job(looked_for.id)["status"] == "ready"
    checks = requests.get(f"{installation.url}/readyz", timeout=30).json()["checks"]
    assert checks["sweep"] == "ok"
    leaving = [*installation.sweep, *installation.worker]
    for process in leaving:
        process.terminate()
    assert len(exit_codes(leaving, EXIT_WITHIN_SECONDS)) == 2


def test_a_download_goes_on_after_the_bucket_has_hung_up(
    proxied_stack: Stack, wire: TcpProxy
) -> None:
    stack = proxied_stack
    task = stack.generate(size=6_000_000)
    link = stack.stored(task)["media"][0]["url"]
    wire.slow(4_000_000)
    with requests.get(link, timeout=30, stream=True) as answer:
        chunks = answer.iter_content(65536)
        received = next(chunks)
        wire.cut()  # connections that are open; new ones get through
        received += b"".join(chunks)
    assert received == stack.sandbox.file(task.id)


def test_a_download_that_breaks_off_is_cut_and_its_link_stays_out_of_the_log(
    proxied_stack: Stack, wire: TcpProxy
) -> None:
    stack = proxied_stack
    task = stack.generate(size=6_000_000)
    stack.stored(task)
    link = stack.client.job(task.id)["media"][0]["url"]
    wire.slow(1_000_000)
    with requests.get(link, timeout=30, stream=True) as answer:
        chunks = answer.iter_content(65536)
        assert next(chunks)
        wire.refuse()
        with pytest.raises(requests.RequestException):
            list(chunks)
    logs = stack.installation.logs("web")
    assert "during a download" in logs
    assert link.rpartition("/")[2] not in logs
