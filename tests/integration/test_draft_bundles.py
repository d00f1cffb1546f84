"""Draft bundles: opaque bytes, kept whole and never shown inline."""

import base64
import hashlib

import pytest
from flask.testing import FlaskClient

from jobs.domain.bfl_report import Role
from jobs.domain.status import Status
from tests.harness.local_worker import LocalWorker

BODIES = {
    "random bytes": base64.b64encode(hashlib.sha256(b"x").digest() * 50).decode(),
    "an image by its first bytes": base64.b64encode(b"\xff\xd8\xff" + bytes(100)).decode(),
    "a page": base64.b64encode(b"<html><script>alert(1)</script></html>").decode(),
    "one byte": base64.b64encode(b"x").decode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_bundle_is_kept_as_it_is(worker: LocalWorker, body: str) -> None:
    task = worker.ready(samples=0, drafts=1, body_base64=body, no_md5=True)
    assert worker.work()
    job = worker.job(task)
    (file,) = job.media
    whole = base64.b64decode(body)
    assert (job.status, file.role) == (Status.STORED, Role.DRAFT_CACHE)
    assert (file.content_type, file.bytes) == ("application/octet-stream", len(whole))
    assert file.key.endswith(".bin") and file.thumbnail is None
    assert (worker.media_root / file.key).read_bytes() == whole
    assert file.sha256 == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("fault", [{"short_body": 1}, {"wrong_md5": 1}, {"reset": 1}])
def test_a_broken_bundle_is_fetched_again(worker: LocalWorker, fault: dict[str, int]) -> None:
    task = worker.ready(samples=0, drafts=1, **fault)
    assert worker.work()
    assert worker.downloads(task) == 2
    (file,) = worker.job(task).media
    assert (worker.media_root / file.key).read_bytes() == worker.sandbox.file(task.id, 0)


@pytest.mark.parametrize("switches", [{"no_length": True, "no_md5": True}, {"body_base64": ""}])
def test_a_bundle_of_which_nothing_tells_that_it_is_whole_is_not_stored(
    worker: LocalWorker, switches: dict[str, object]
) -> None:
    task = worker.ready(samples=0, drafts=1, **switches)
    assert worker.work()
    assert worker.job(task).status is Status.READY
    assert list(worker.storage.list_objects()) == []


@pytest.mark.parametrize("worker_settings", [{"MAX_MEDIA_BYTES": "50000"}])
@pytest.mark.parametrize("samples", [0, 2])
def test_a_large_bundle_costs_the_job_where_it_is_alone(worker: LocalWorker, samples: int) -> None:
    task = worker.ready(samples=samples, drafts=1, draft_body="x" * 50_001)
    assert worker.work()
    job = worker.job(task)
    assert job.status is (Status.STORED if samples else Status.FAILED)
    assert [file.role for file in job.media] == [Role.SAMPLE] * samples
    lines = [line for line in job.timeline if line.event == "rescue.file_skipped"]
    details = [{"file": 2, "role": "draft_cache", "reason": "media_too_large"}]
    assert [line.detail for line in lines] == (details if samples else [])


def test_a_link_to_a_bundle_is_an_attachment(worker: LocalWorker, api: FlaskClient) -> None:
    task = worker.ready(samples=1, drafts=1)
    assert worker.work()
    job = api.get(f"/api/jobs/{task.id}").get_json()
    url = job["media"][1]["url"]
    with api.get(url[url.index("/media/") :]) as answer:
        assert answer.data == worker.sandbox.file(task.id, 1)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.headers["Content-Disposition"].endswith('.bin"')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
