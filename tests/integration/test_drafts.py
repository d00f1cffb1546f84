"""A stored draft bundle can be the input of a later submission."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from jobs import drafts, ingest
from jobs.domain.bfl_report import Report, Role
from jobs.domain.job import Job
from jobs.domain.status import ReportKind, Source, Status
from tests.harness.local_worker import LocalWorker
from tests.harness.patience import wait_for


class Drafts:
    """A draft, stored with its bundle."""

    def __init__(self, worker: LocalWorker, api: FlaskClient) -> None:
        self.worker, self.services, self.client = worker, worker.services, api
        switches = {"seconds": 0, "draft_cache": True}
        asked = {"mode": "t2v", "prompt": "a", "draft": True, "sandbox": switches}
        self.id: str = self.post(asked).get_json()["id"]
        self.sent()
        task = worker.sandbox.tasks()[0]
        wait_for("BFL is done", lambda: worker.sandbox.task(task.id).finished_at)
        report = Report(task_id=task.id, kind=ReportKind.UNCLEAR, source=Source.CALLBACK)
        ingest.apply_report(self.services.store, report, self.services.settings.timeouts, self.id)
        worker.work(2)  # a poll, then the rescue

    @property
    def job(self) -> Job:
        return self.worker.job(self.id)

    def bundle(self, n: int) -> bytes:
        files = [file for file in self.job.media if file.role is Role.DRAFT_CACHE]
        return b"".join(self.services.storage.read(files[n].key))

    def post(self, given: dict[str, Any], model: str = "flux-3-video") -> Any:
        return self.client.post("/api/jobs", json={"model": model, "input": given})

    def sent(self) -> dict[str, Any]:
        """Return the body that BFL receives for the waiting job."""
        self.worker.work()
        posts = [seen for seen in self.worker.sandbox.requests if seen.method == "POST"]
        body: dict[str, Any] = json.loads(posts[-1].body)
        return body


@pytest.fixture
def local(worker: LocalWorker, api: FlaskClient) -> Drafts:
    """BFL cannot fetch anything here."""
    return Drafts(worker, api)


def reference(drafts: Drafts) -> dict[str, Any]:
    return {"draft_cache": {"job": drafts.id, "n": 0}}


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
    assert local.worker.job(answer.get_json()["id"]).task_id


PUBLIC = pytest.mark.parametrize("worker_settings", [{"PUBLIC_URL": "https://keep.example"}])


def enhanced(local: Drafts) -> tuple[int, dict[str, Any], Job]:
    """The number of submissions, the last body and the job."""
    before = local.worker.posts()
    job_id = local.post(reference(local)).get_json()["id"]
    sent = local.sent()
    return local.worker.posts() - before, sent, local.worker.job(job_id)


@PUBLIC
def test_where_bfl_refuses_base64_it_is_given_a_link_that_works(
    local: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.worker.sandbox.settings.refused_draft = "base64"
    posts, sent, job = enhanced(local)
    link = sent["draft_cache"]
    assert posts == 2 and job.task_id and link.startswith("https://keep.example/media/")
    got = local.client.get(link.removeprefix("https://keep.example"), buffered=True)
    assert (got.status_code, got.data) == (200, local.bundle(0))
    monkeypatch.setattr(drafts, "BASE64_MAX_BYTES", 4)
    posts, sent, _ = enhanced(local)
    assert posts == 1 and sent["draft_cache"].startswith("https://keep.example/media/"), "at once"


@PUBLIC
def test_a_refusal_of_another_field_is_not_tried_again(local: Drafts) -> None:
    before = local.worker.posts()
    local.post({"prompt": "not of this mode", **reference(local)})
    local.worker.work()
    assert local.worker.posts() == before + 1


@pytest.mark.parametrize("value", [{"job": "no-such-job"}, {"job": 5}, {"n": 0}])
def test_a_reference_that_leads_nowhere_is_refused(local: Drafts, value: Any) -> None:
    answer = local.post({"draft_cache": value})
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "input.draft_cache.job"


def test_our_own_link_is_a_reference_even_when_it_has_expired(local: Drafts) -> None:
    link = local.services.links_to(local.job, seconds=-60.0)[1]
    local.post({"mode": "draft_enhance", "draft_cache": link})
    assert base64.b64decode(local.sent()["draft_cache"]) == local.bundle(0)


def test_a_bundle_that_is_deleted_while_the_job_waits_fails_it(local: Drafts) -> None:
    job_id = local.post(reference(local)).get_json()["id"]
    before = local.worker.posts()
    for file in local.job.media:
        local.services.storage.delete(file.key)
    media = tuple(replace(file, deleted_at=1.0) for file in local.job.media)
    local.services.store.change(local.id, lambda job, _now: replace(job, media=media))
    local.worker.work()
    job = local.worker.job(job_id)
    assert job.status is Status.FAILED and job.error and job.error.code == "draft_gone"
    assert local.worker.posts() == before


def test_a_refused_draft_is_sent_once_where_bfl_cannot_reach_us(local: Drafts) -> None:
    local.worker.sandbox.settings.refused_draft = "base64"
    posts, _, job = enhanced(local)
    assert posts == 1 and job.error and job.error.code == "invalid_input"


@pytest.mark.parametrize("given", ["https://a.example/media/x", "aGVsbG8=", "", None, [1]])
def test_what_is_no_reference_goes_to_bfl_as_it_is(local: Drafts, given: Any) -> None:
    local.post({"draft_cache": given, "prompt": "a"}, "flux-2-pro")
    assert local.sent()["draft_cache"] == given
