"""Media in an S3 server that ignores `If-None-Match`: rclone's, with real processes."""

import hashlib
from collections.abc import Iterator
from uuid import uuid4

import pytest
import requests

from tests.harness import CommandLine, RcloneServer, Stack, running_stack, wait_for, without_links
from tests.sandbox import Task

LARGE_BYTES = 100_000_000
STORED_WITHIN_SECONDS = 120.0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneServer]:
    running = RcloneServer(tmp_path_factory.mktemp("rclone"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, server: RcloneServer) -> Iterator[Stack]:
    """Everything runs, and readiness is content with the bucket."""
    bucket = server.bucket(f"keep-{uuid4()}")
    directory = tmp_path_factory.mktemp("any-s3")
    with running_stack(directory, bucket=bucket, MEDIA_SERVE="redirect") as running:
        yield running


def link(stack: Stack, task: Task) -> str:
    return str(stack.client.job(task.id)["media"][0]["url"])


def redirected(url: str, **headers: str) -> requests.Response:
    asked = f"{url}?redirect"
    first = requests.get(asked, headers=headers, timeout=30, allow_redirects=False)
    assert first.status_code == 302
    return requests.get(first.headers["Location"], headers=headers, timeout=60)


def streamed(url: str, **headers: str) -> requests.Response:
    """A plain GET comes through the web process."""
    return requests.get(url, headers=headers, timeout=60, allow_redirects=False)


def test_an_image_is_stored_linked_and_deleted(stack: Stack) -> None:
    task = stack.generate(format="jpeg")
    job = stack.stored_with_thumbnails(task)
    image = stack.sandbox.file(task.id)
    assert redirected(link(stack, task)).content == image
    assert redirected(link(stack, task)).headers["Content-Type"] == "image/jpeg"
    assert streamed(link(stack, task)).content == image
    assert job["media"][0]["thumbnail_url"]
    part = streamed(link(stack, task), Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, image[10:20])
    # rclone itself says 200 to a range.
    assert redirected(link(stack, task), Range="bytes=10-19").content == image[10:20]
    assert stack.client.request("DELETE", f"/api/jobs/{task.id}").status_code == 204
    assert not [key for key in stack.installation.stored_objects.sizes() if task.id in key]


def test_a_video_of_100_mb_goes_in_parts_to_its_own_name(stack: Stack) -> None:
    task = stack.generate(format="mp4", size=LARGE_BYTES, life=3600)
    job = stack.client.wait_for(task.id, "stored", timeout=STORED_WITHIN_SECONDS)
    (file,) = job["media"]
    (key,) = stack.keys(task)
    assert file["bytes"] == stack.installation.stored_objects.sizes()[key] == LARGE_BYTES
    digest = hashlib.sha256()
    with requests.get(file["url"], timeout=60, stream=True) as answer:
        for chunk in answer.iter_content(1_000_000):
            digest.update(chunk)
    assert digest.hexdigest() == file["sha256"]
    tail = streamed(link(stack, task), Range=f"bytes={LARGE_BYTES - 10}-")
    assert (tail.status_code, len(tail.content)) == (206, 10)


def test_two_workers_that_both_believe_to_own_a_job_leave_one_object(stack: Stack) -> None:
    """The first one is frozen in its download, and wakes up when the other one is at work."""
    installation = stack.installation
    task = stack.generate(size=1_000_000, drip=100_000)
    stack.wait_for_download(task)
    (frozen,) = installation.worker
    frozen.pause()
    stack.expire_leases()
    installation.start("worker")
    stack.wait_for_download(task, 2)
    frozen.resume()
    job = stack.stored(task, STORED_WITHIN_SECONDS)
    wait_for("one object", lambda: len(stack.keys(task)) == 1)
    assert job["media"][0]["sha256"] == installation.stored_objects.sha256(stack.keys(task)[0])
    stack.settled()


def test_jobs_come_back_when_redis_was_lost(stack: Stack) -> None:
    task = stack.generate(format="jpeg", samples=2)
    before = stack.stored_with_thumbnails(task)
    wait_for("all thumbnails", lambda: not stack.awaiting_thumbnails())
    with stack.installation.redis.client() as redis:
        redis.flushall()
    shell = CommandLine(stack.installation)
    repaired = shell.run("repair")
    assert repaired.code == 0, repaired
    after = stack.client.job(task.id)
    assert without_links(after) == without_links(before)
    for file, earlier in zip(after["media"], before["media"], strict=True):
        assert hashlib.sha256(redirected(file["url"]).content).hexdigest() == earlier["sha256"]
    assert shell.run("repair", "--verify-bytes").out == "all is well\n"
