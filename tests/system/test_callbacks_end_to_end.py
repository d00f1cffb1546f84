"""From callback to stored media, for every form of BFL's reports; duplicates change nothing."""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import requests

from tests.harness.patience import wait_for
from tests.harness.scene import Scene, running_scene, without_links

ERAS = ("current", "legacy", "skills")
AUTHENTICATIONS = ("secret", "signature", "both")
EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp", "mp4": "mp4"}


@pytest.fixture(scope="module", params=["on", "off"], ids="accelerator_{}".format)
def scene(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Scene]:
    """An installation whose callback grace outlasts the tests: no polls."""
    settings = {"CALLBACK_GRACE": "600", "CALLBACK_ACCELERATOR": request.param}
    with running_scene(tmp_path_factory.mktemp("callbacks"), **settings) as running:
        yield running
        running.settled()


@pytest.mark.parametrize(("era", "auth"), list(product(ERAS, AUTHENTICATIONS)))
def test_a_callback_of_any_era_and_authentication_becomes_stored_media(
    scene: Scene, era: str, auth: str
) -> None:
    task = scene.generate(payload=era, auth=auth)
    job = scene.stored(task)
    assert job["source"] == "callback"
    assert job["task_id"] == job["id"] == task.id
    assert scene.outcomes(task) == [200]
    assert scene.polls(task) == []
    assert len(scene.deliveries(task)) == len(scene.objects(task)) == len(job["media"]) == 1


@pytest.mark.parametrize("switches", [{"signature_prefix": False}, {"signature_upper": True}])
def test_a_signature_may_lack_its_prefix_or_be_in_capitals(
    scene: Scene, switches: dict[str, Any]
) -> None:
    assert scene.stored(scene.generate(auth="signature", **switches))["source"] == "callback"


@pytest.mark.parametrize("era", ERAS)
def test_progress_is_acknowledged_and_uses_up_nothing(scene: Scene, era: str) -> None:
    task = scene.generate(payload=era, progress_events=3, seconds=0.4)
    job = scene.stored(task)
    assert scene.outcomes(task, 4) == [200] * 4
    assert job["source"] == "callback"
    assert len(scene.deliveries(task)) == 1


def test_progress_is_shown_while_the_job_waits(scene: Scene) -> None:
    task = scene.generate(callback="never", seconds=0.2)
    assert scene.box.call_back(task.id, pending_word="Generating").outcome == 200
    job = scene.client.job(task.id)
    assert (job["status"], job["progress"]) == ("submitted", 0.5)
    wait_for("BFL is done", lambda: scene.box.task(task.id).finished_at)
    scene.box.call_back(task.id)
    assert scene.stored(task)["progress"] == 1.0


def test_an_unknown_status_word_means_still_in_progress(scene: Scene) -> None:
    task = scene.finished()
    assert scene.box.call_back(task.id, status_word="Defragmenting").outcome == 200
    assert scene.client.job(task.id)["status"] == "submitted"
    scene.box.call_back(task.id)
    assert scene.stored(task)["source"] == "callback"


@pytest.mark.parametrize("order", ["reversed", "shuffled"])
def test_progress_after_the_result_changes_nothing(scene: Scene, order: str) -> None:
    task = scene.generate(progress_events=2, event_order=order)
    scene.stored(task)
    assert scene.outcomes(task, 3) == [200] * 3
    assert scene.stored(task)["progress"] == 1.0
    assert len(scene.deliveries(task)) == 1


def test_four_callbacks_give_one_download_and_one_object(scene: Scene) -> None:
    task = scene.generate(callback=4)
    assert scene.outcomes(task, 4) == [200] * 4
    scene.stored(task)
    assert len(scene.deliveries(task)) == len(scene.objects(task)) == 1


@pytest.mark.parametrize(
    "bent",
    [
        {},
        {"outcome": "error"},
        {"outcome": "failed", "payload": "legacy"},
        {"outcome": "content_moderated"},
        {"status_word": "Pending"},
        {"sample": "missing"},
    ],
    ids=["again", "error", "legacy failure", "moderated", "pending", "unclear"],
)
def test_nothing_that_comes_after_stored_changes_anything(
    scene: Scene, bent: dict[str, Any]
) -> None:
    task = scene.generate()
    before = scene.stored(task)
    assert scene.box.call_back(task.id, **bent).outcome == 200
    assert without_links(scene.client.job(task.id)) == without_links(before)
    assert len(scene.deliveries(task)) == 1


@pytest.mark.parametrize("stage", ["request", "content"])
@pytest.mark.parametrize(
    ("form", "reasons"),
    [("dict", ["Violence", "Gore"]), ("string", ["Violence, Gore"]), ("null", [])],
)
def test_a_moderated_job_says_at_which_stage_and_why(
    scene: Scene, stage: str, form: str, reasons: list[str]
) -> None:
    task = scene.generate(
        outcome=f"{stage}_moderated", reasons=["Violence", "Gore"], details_as=form
    )
    job = scene.client.wait_for(task.id)
    assert job["status"] == "moderated"
    assert job["moderation"] == {"stage": stage, "reasons": reasons}
    assert job["media"] == [] and job["source"] == "callback"


def test_moderation_in_the_words_of_the_legacy_era_is_understood(scene: Scene) -> None:
    task = scene.generate(payload="legacy", outcome="content_moderated", reasons=["Violence"])
    job = scene.client.wait_for(task.id)
    assert job["status"] == "moderated"
    assert job["moderation"] == {"stage": "content", "reasons": ["Violence"]}


@pytest.mark.parametrize("era", ERAS)
def test_a_failed_job_has_bfls_error(scene: Scene, era: str) -> None:
    task = scene.generate(payload=era, outcome="error", error_text="the model ran dry")
    job = scene.client.wait_for(task.id)
    assert job["status"] == "failed" and job["source"] == "callback"
    assert "the model ran dry" in job["error"]["message"]
    assert job["error"]["code"]
    assert scene.deliveries(task) == []


@pytest.mark.parametrize("auth", ["wrong", "none"])
def test_a_forged_callback_is_refused_and_leaves_no_job(scene: Scene, auth: str) -> None:
    task = scene.finished()
    assert scene.box.call_back(task.id, auth=auth).outcome == 401
    assert scene.client.find(task.id) is None
    assert scene.deliveries(task) == []


def test_a_refused_callback_shows_on_the_timeline_of_a_known_job_alone(scene: Scene) -> None:
    task = scene.generate()
    before = scene.stored(task)
    assert scene.box.call_back(task.id, auth="wrong", outcome="error").outcome == 401
    after = scene.client.job(task.id)
    *lines, refused = after["timeline"]
    assert refused["event"] == "callback.refused" and refused["detail"]["reason"]
    assert without_links({**after, "timeline": lines}) == without_links(before)


def test_a_body_that_was_changed_after_it_was_signed_is_refused(scene: Scene) -> None:
    task = scene.finished()
    genuine = scene.box.call_back(task.id, auth="signature", status_word="Pending")
    assert genuine.outcome == 200
    changed = genuine.body.replace(b"Pending", b"Ready")
    answer = requests.post(scene.webhook_url, changed, headers=genuine.headers, timeout=10)
    assert answer.status_code == 401
    assert scene.client.job(task.id)["status"] == "submitted"
    scene.box.call_back(task.id)
    scene.stored(task)


def test_an_unannounced_task_is_stored_and_listed(scene: Scene) -> None:
    task = scene.generate()
    scene.stored(task)
    assert task.id in [job["id"] for job in scene.client.jobs(status="stored", limit=5)]


def test_every_sample_of_a_result_is_stored_in_order(scene: Scene) -> None:
    task = scene.generate(samples=3)
    job = scene.stored(task)
    assert len(job["media"]) == len(scene.objects(task)) == 3
    assert len({file["sha256"] for file in job["media"]}) == 3
    assert len(scene.deliveries(task)) == 3


def test_the_draft_cache_of_a_video_is_stored(scene: Scene) -> None:
    job = scene.stored(scene.generate("flux-tools/video-upscale-v1", draft_cache=True))
    types = [file["content_type"] for file in job["media"]]
    assert types == ["video/mp4", "application/octet-stream"]
    assert job["cost"] > 0


@pytest.mark.parametrize("form", EXTENSIONS)
def test_each_format_is_recognised_by_its_own_bytes(scene: Scene, form: str) -> None:
    task = scene.generate(format=form, content_type="application/octet-stream")
    file = scene.stored(task)["media"][0]
    kind = "video" if form == "mp4" else "image"
    assert file["content_type"] == f"{kind}/{form}"
    assert file["bytes"] == len(scene.box.picture(task.id))
    assert file["width"] and file["height"]
    assert (file["duration"] is not None) is (form == "mp4")
    assert [path.suffix for path in scene.objects(task)] == [f".{EXTENSIONS[form]}"]


@pytest.mark.parametrize("path", ["results", "sharded", "durable"])
def test_a_url_of_any_shape_is_fetched_byte_for_byte_and_never_shown(
    scene: Scene, path: str
) -> None:
    task = scene.generate(path=path)
    job = scene.stored(task)
    assert "sig=" not in json.dumps(job)
    assert (
        job["result"]["seed"]
        == json.loads(scene.box.task(task.id).callbacks[0].body)["result"]["seed"]
    )
