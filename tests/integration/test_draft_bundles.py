"""Draft bundles: opaque bytes, kept whole and never shown inline."""

import base64
import hashlib
from pathlib import Path

import pytest
from redis import Redis

from jobs.domain.bfl_report import Role
from jobs.domain.status import Status
from receiver.app import create_app
from tests.harness import RedisServer
from tests.harness.worker_environment import WorkerEnvironment
from tests.sandbox import Sandbox

BODIES = {
    "random bytes": base64.b64encode(hashlib.sha256(b"x").digest() * 50).decode(),
    "an image by its first bytes": base64.b64encode(b"\xff\xd8\xff" + bytes(100)).decode(),
    "a page": base64.b64encode(b"<html><script>alert(1)</script></html>").decode(),
    "one byte": base64.b64encode(b"x").decode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_bundle_is_kept_as_it_is(worker_env: WorkerEnvironment, body: str) -> None:
    task = worker_env.ready(samples=0, drafts=1, body_base64=body, no_md5=True)
    assert worker_env.work()
    job = worker_env.job(task)
    (file,) = job.media
    whole = base64.b64decode(body)
    assert (job.status, file.role) == (Status.STORED, Role.DRAFT_CACHE)
    assert (file.content_type, file.bytes) == ("application/octet-stream", len(whole))
    assert file.key.endswith(".bin") and file.thumbnail is None
    assert (worker_env.media_root / file.key).read_bytes() == whole
    assert file.sha256 == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("fault", [{"short_body": 1}, {"wrong_md5": 1}, {"reset": 1}])
def test_a_bundle_that_breaks_off_is_fetched_again(
    worker_env: WorkerEnvironment, fault: dict[str, int]
) -> None:
    task = worker_env.ready(samples=0, drafts=1, **fault)
    assert worker_env.work()
    assert worker_env.downloads(task) == 2
    (file,) = worker_env.job(task).media
    assert (worker_env.media_root / file.key).read_bytes() == worker_env.sandbox.file(task.id, 0)


@pytest.mark.parametrize("switches", [{"no_length": True, "no_md5": True}, {"body_base64": ""}])
def test_a_bundle_of_which_nothing_tells_that_it_is_whole_is_not_stored(
    worker_env: WorkerEnvironment, switches: dict[str, object]
) -> None:
    task = worker_env.ready(samples=0, drafts=1, **switches)
    assert worker_env.work()
    assert worker_env.job(task).status is Status.READY
    assert list(worker_env.services.storage.list_objects()) == []


@pytest.mark.parametrize("samples", [0, 2])
def test_a_bundle_over_the_limit_costs_the_job_only_where_it_is_alone(
    redis_server: RedisServer, sandbox: Sandbox, tmp_path: Path, samples: int
) -> None:
    redis: Redis
    with redis_server.client() as redis:
        worker_env = WorkerEnvironment.over(redis, sandbox, tmp_path, MAX_MEDIA_BYTES="50000")
        task = worker_env.ready(samples=samples, drafts=1, draft_body="x" * 50_001)
        assert worker_env.work()
        job = worker_env.job(task)
        assert job.status is (Status.STORED if samples else Status.FAILED)
        assert [file.role for file in job.media] == [Role.SAMPLE] * samples
        lines = [line for line in job.timeline if line.event == "rescue.file_skipped"]
        details = [{"file": 2, "role": "draft_cache", "reason": "media_too_large"}]
        assert [line.detail for line in lines] == (details if samples else [])


def test_a_link_to_a_bundle_is_an_attachment(worker_env: WorkerEnvironment) -> None:
    task = worker_env.ready(samples=1, drafts=1)
    assert worker_env.work()
    client = create_app(worker_env.services).test_client()
    job = client.get(f"/api/jobs/{task.id}", headers={"x-key": "admin-key-of-tests"}).get_json()
    url = job["media"][1]["url"]
    with client.get(url[url.index("/media/") :]) as answer:
        assert answer.data == worker_env.sandbox.file(task.id, 1)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.headers["Content-Disposition"].endswith('.bin"')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
