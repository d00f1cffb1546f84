"""A stored draft bundle can be the input of a later submission."""

import base64
import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from jobs import drafts, ingest
from jobs.errors import Invalid
from jobs.job import Job
from jobs.report import Report, Role
from jobs.signing import MediaLink
from jobs.status import ReportKind, Source, Status
from receiver.app import create_app
from tests.harness import RedisServer
from tests.harness.patience import wait_for
from tests.harness.worker_environment import process_one
from tests.sandbox import Sandbox
from tests.system.submitting.local_worker import KEY, LocalWorker, built

ADMIN = {"x-key": "admin-key-of-tests"}
DRAFTS = 1


class Drafts:
    """A draft, stored with its bundle."""

    def __init__(self, local_worker: LocalWorker) -> None:
        self.local_worker, self.wired = local_worker, local_worker.wired
        self.client: FlaskClient = create_app(local_worker.wired).test_client()
        switches = {"seconds": 0, "draft_cache": True}
        asked = {"prompt": "a", "draft": True, "sandbox": switches}
        self.id: str = self.post(asked).get_json()["id"]
        self.sent()
        task = local_worker.box.tasks()[0]
        wait_for("BFL is done", lambda: local_worker.box.task(task.id).finished_at)
        report = Report(task_id=task.id, kind=ReportKind.UNCLEAR, source=Source.CALLBACK)
        ingest.apply_report(self.wired.store, report, self.wired.settings.timeouts, self.id)
        for _ in range(2):  # a poll, then the rescue
            process_one(self.wired)

    @property
    def job(self) -> Job:
        return self.local_worker.job(self.id)

    def bundle(self, n: int) -> bytes:
        files = [file for file in self.job.media if file.role is Role.DRAFT_CACHE]
        return b"".join(self.wired.storage.read(files[n].key))

    def post(self, given: dict[str, Any], model: str = "flux-3-video") -> Any:
        return self.client.post("/api/jobs", json={"model": model, "input": given}, headers=ADMIN)

    def sent(self) -> dict[str, Any]:
        """Return the body that BFL receives for the waiting job."""
        process_one(self.wired)
        posts = [seen for seen in self.local_worker.box.requests if seen.method == "POST"]
        body: dict[str, Any] = json.loads(posts[-1].body)
        return body

    def change(self, **facts: Any) -> None:
        self.wired.store.update(self.id, lambda job, _now: job and replace(job, **facts))


def opened(redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox, **more: str) -> Drafts:
    here = {"BFL_SANDBOX_URL": sandbox.url, "BFL_API_KEY": KEY, "MAX_ACTIVE": "9"}
    return Drafts(LocalWorker(built(redis_server, tmp_path, **here, **more), sandbox))


@pytest.fixture
def local(redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox) -> Iterator[Drafts]:
    """BFL cannot fetch anything here."""
    found = opened(redis_server, tmp_path, sandbox)
    yield found
    found.wired.redis.close()


def reference(drafts: Drafts, n: Any = 0) -> dict[str, Any]:
    return {"draft_cache": {"job": drafts.id, "n": n}}


def test_where_bfl_cannot_reach_us_the_bundle_goes_as_base64(local: Drafts) -> None:
    assert [file.role for file in local.job.media] == [Role.SAMPLE, Role.DRAFT_CACHE]
    answer = local.post(reference(local))
    assert answer.status_code == 202
    lines = {line["event"]: line["detail"] for line in answer.get_json()["timeline"]}
    assert lines["submission.draft_referenced"]["job"] == local.id
    sent = local.sent()
    assert sent.keys() - {"webhook_url", "webhook_secret"} == {"mode", "draft_cache"}
    assert sent["mode"] == "draft_enhance"
    assert base64.b64decode(sent["draft_cache"]) == local.bundle(0)
    assert local.local_worker.job(answer.get_json()["id"]).task_id


@pytest.mark.parametrize("public", ["http://127.0.0.1:8000", "https://10.0.0.1", "http://[::1]:9"])
def test_an_inside_address_is_one_that_bfl_cannot_reach(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox, public: str
) -> None:
    found = opened(redis_server, tmp_path, sandbox, PUBLIC_URL=public)
    assert not drafts.is_reachable(found.wired)
    found.wired.redis.close()


def test_where_bfl_reaches_us_it_is_given_a_link_that_works(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox
) -> None:
    public = "https://keep.example"
    found = opened(redis_server, tmp_path, sandbox, PUBLIC_URL=public, LINK_TTL="60")
    found.post(reference(found))
    link = found.sent()["draft_cache"]
    assert link.startswith(f"{public}/media/")
    got = found.client.get(link.removeprefix(public), buffered=True)
    assert (got.status_code, got.data) == (200, found.bundle(0))
    found.wired.redis.close()


@pytest.mark.parametrize("seconds", [60.0, -60.0])
def test_our_own_link_is_a_reference_even_when_it_has_expired(
    local: Drafts, seconds: float
) -> None:
    link = local.wired.links_to(local.job, seconds=seconds)[1]
    local.post({"mode": "draft_enhance", "draft_cache": link})
    assert base64.b64decode(local.sent()["draft_cache"]) == local.bundle(0)


@pytest.mark.parametrize("n", [0, 9])
def test_our_own_link_to_no_bundle_is_refused(local: Drafts, n: int) -> None:
    token = local.wired.links.sign(MediaLink(local.id, n, 2_000_000_000))
    ((field, _),) = errors(local.post({"draft_cache": f"https://keep.example/media/{token}"}))
    assert field == "input.draft_cache"


@pytest.mark.parametrize("text", ["https://keep.example/media/x", "a/media/b", "AAAA", ""])
def test_other_bundles_reach_bfl_as_they_are(local: Drafts, text: str) -> None:
    local.post({"mode": "draft_enhance", "draft_cache": text})
    assert local.sent()["draft_cache"] == text


def errors(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.get_data()
    return [(error["field"], error["message"]) for error in answer.get_json()["errors"]]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"job": "no-such-job"}, "job"),
        ({"job": ""}, "job"),
        ({"job": "../x"}, "job"),
        ({"job": 5}, "job"),
        ({}, "job"),
        ({"n": 0}, "job"),
    ],
)
def test_a_job_that_is_not_there_is_named(local: Drafts, value: Any, field: str) -> None:
    ((found, _),) = errors(local.post({"draft_cache": value}))
    assert found == f"input.draft_cache.{field}"


@pytest.mark.parametrize("n", [DRAFTS, 10**9, -1, "0", 0.0, True, None])
def test_a_bundle_that_is_not_there_is_named(local: Drafts, n: Any) -> None:
    ((found, _),) = errors(local.post(reference(local, n)))
    assert found == "input.draft_cache.n"


def test_a_reference_says_nothing_else(local: Drafts) -> None:
    given = {"draft_cache": {"job": local.id, "n": 0, "nn": 1}}
    assert errors(local.post(given))[0][0] == "input.draft_cache.nn"


def test_a_bundle_that_was_deleted_is_refused(local: Drafts) -> None:
    local.change(media=tuple(replace(file, deleted_at=1.0) for file in local.job.media))
    ((_, why),) = errors(local.post(reference(local)))
    assert "deleted" in why


def test_a_bundle_that_is_deleted_while_the_job_waits_fails_it(local: Drafts) -> None:
    job_id = local.post(reference(local)).get_json()["id"]
    before = local.local_worker.posts()
    local.change(media=tuple(replace(file, deleted_at=1.0) for file in local.job.media))
    process_one(local.wired)
    job = local.local_worker.job(job_id)
    assert job.status is Status.FAILED and job.error and job.error.code == "draft_gone"
    assert local.local_worker.posts() == before


def test_a_bundle_too_large_for_base64_needs_a_public_address(local: Drafts) -> None:
    size = drafts.BASE64_MAX_BYTES // 4 * 3
    for more, refused in ((0, False), (1, True)):
        local.change(media=tuple(replace(file, bytes=size + more) for file in local.job.media))
        with pytest.raises(Invalid) if refused else nullcontext() as caught:
            drafts.find(local.wired, reference(local))
        if caught:
            assert "PUBLIC_URL" in caught.value.errors[0]["message"]


@pytest.mark.parametrize("given", ["https://a.example/draft.bin", "aGVsbG8=", None, [1]])
def test_what_is_no_reference_goes_to_bfl_as_it_is(local: Drafts, given: Any) -> None:
    local.post({"draft_cache": given, "prompt": "a"}, "flux-2-pro")
    assert local.sent()["draft_cache"] == given
