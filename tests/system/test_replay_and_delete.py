"""Replay and deletion of jobs by an operator."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.harness.patience import wait_for
from tests.harness.scene import Scene, running_scene, without_links
from tests.sandbox import Task


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Short timeouts: a job without any report is lost soon."""
    directory = tmp_path_factory.mktemp("replay")
    with running_scene(directory, CALLBACK_GRACE="1", GIVE_UP_AFTER="8") as running:
        yield running
        running.settled()


@pytest.fixture
def unreachable_bfl(scene: Scene) -> Iterator[None]:
    """BFL knows no task, until the test or its end restores it."""
    scene.box.settings.poll_fault = 404
    yield
    scene.box.settings.poll_fault = None


def replay(scene: Scene, task: Task) -> requests.Response:
    return scene.client.request("POST", f"/api/jobs/{task.id}/rescues")


def forget(scene: Scene, task: Task) -> requests.Response:
    return scene.client.request("DELETE", f"/api/jobs/{task.id}")


def assert_replayed(scene: Scene, task: Task) -> None:
    answer = replay(scene, task)
    assert answer.status_code == 202 and answer.json()["status"] == "submitted"
    job = scene.stored(task)
    assert job["source"] == "replay" and job["media"] and job["error"] is None
    assert "job.replayed" in [line["event"] for line in job["timeline"]]
    assert len(scene.objects(task)) == 1


@pytest.mark.usefixtures("unreachable_bfl")
def test_a_lost_job_is_stored_by_a_replay(scene: Scene) -> None:
    task = scene.finished()
    scene.expect(task)
    scene.client.wait_for(task.id, "lost")
    scene.box.settings.poll_fault = None
    assert_replayed(scene, task)


@pytest.mark.usefixtures("unreachable_bfl")
def test_an_expired_job_is_stored_by_a_replay(scene: Scene) -> None:
    task = scene.generate(life=-1)
    scene.client.wait_for(task.id, "expired")
    scene.box.settings.poll_fault = None
    assert_replayed(scene, task)


def test_a_failed_job_is_stored_by_a_replay(scene: Scene) -> None:
    task = scene.finished()
    scene.box.call_back(task.id, outcome="error")
    scene.client.wait_for(task.id, "failed")
    assert_replayed(scene, task)


def test_a_replay_that_finds_the_same_error_fails_again(scene: Scene) -> None:
    task = scene.generate(outcome="error", error_text="the model ran dry")
    scene.client.wait_for(task.id, "failed")
    assert replay(scene, task).status_code == 202
    job = scene.client.wait_for(task.id)
    assert (job["status"], job["source"]) == ("failed", "replay")
    assert "the model ran dry" in job["error"]["message"]


def test_a_job_that_is_stored_or_moderated_cannot_be_replayed(scene: Scene) -> None:
    stored, moderated = scene.generate(), scene.generate(outcome="request_moderated")
    for task in (stored, moderated):
        before = scene.client.wait_for(task.id)
        answer = replay(scene, task)
        assert answer.status_code == 409
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert without_links(scene.client.job(task.id)) == without_links(before)
    assert scene.polls(stored) == []


def test_a_job_under_way_cannot_be_replayed(scene: Scene) -> None:
    task = scene.generate(callback="never", outcome="pending_forever")
    scene.expect(task)
    assert replay(scene, task).status_code == 409


def test_a_forgotten_job_leaves_nothing_behind(scene: Scene) -> None:
    task = scene.generate(samples=2)
    job = scene.stored(task)
    links = [file["url"] for file in job["media"]]
    assert len(scene.objects(task)) == 2
    answer = forget(scene, task)
    assert (answer.status_code, answer.content) == (204, b"")
    assert scene.objects(task) == []
    assert scene.client.find(task.id) is None
    assert task.id not in [one["id"] for one in scene.client.jobs(limit=200)]
    assert [requests.get(link, timeout=10).status_code for link in links] == [410, 410]
    with scene.installation.redis.client() as redis:
        left = [key for key in redis.scan_iter("*") if task.id.encode() in key]
        assert left == [f"fluxkeep:tombstone:{task.id}".encode()] and redis.ttl(left[0]) > 0


def test_a_late_callback_does_not_bring_a_forgotten_job_back_until_it_is_expected_again(
    scene: Scene,
) -> None:
    task = scene.generate()
    scene.stored(task)
    assert forget(scene, task).status_code == 204
    late = scene.client.callback({"id": task.id, "status": "Ready"})
    assert late.status_code == 200 and late.json() == {"id": task.id, "status": "forgotten"}
    assert scene.client.find(task.id) is None
    scene.expect(task)
    again = scene.client.callback({"id": task.id, "status": "Ready"})
    assert again.status_code == 200 and again.json()["status"] != "forgotten"
    scene.stored(task)


def test_a_job_forgotten_during_its_download_leaves_nothing_behind(scene: Scene) -> None:
    task = scene.generate(size=300_000, drip=150_000)
    scene.wait_for_download(task)
    assert forget(scene, task).status_code == 204
    wait_for("the download is over", lambda: scene.deliveries(task)[0].over)
    wait_for("the staged file is gone", lambda: scene.staged() == [])
    # What was verified is published at once, and deleted when the commit is refused.
    wait_for("its object is gone", lambda: scene.objects(task) == [])
    assert scene.client.find(task.id) is None
    scene.settled()


def test_a_job_forgotten_between_two_downloads_leaves_nothing_behind(scene: Scene) -> None:
    task = scene.generate(samples=2, size=60_000, drip=40_000)
    wait_for("the first object", lambda: scene.objects(task))
    assert forget(scene, task).status_code == 204
    wait_for("the second download is over", lambda: scene.deliveries(task)[-1].over)
    wait_for("the staged file is gone", lambda: scene.staged() == [])
    wait_for("its objects are gone", lambda: scene.objects(task) == [])
    assert scene.client.find(task.id) is None
    scene.settled()


def test_a_poll_under_way_does_not_bring_a_forgotten_job_back(scene: Scene) -> None:
    task = scene.generate(callback="never", poll_hang=2)
    scene.expect(task)
    scene.client.callback({"id": task.id, "status": "Ready"})  # unclear: BFL is asked at once
    wait_for("the poll", lambda: scene.polls(task))
    assert forget(scene, task).status_code == 204
    wait_for("the poll's end", lambda: scene.box.task(task.id).polls and not scene.staged())
    assert scene.client.find(task.id) is None
    scene.settled()


@pytest.mark.parametrize("act", [replay, forget])
def test_an_unknown_job_cannot_be_replayed_or_deleted(scene: Scene, act: Any) -> None:
    assert act(scene, scene.finished()).status_code == 404


@pytest.mark.parametrize("scope", ["read", "submit", ""])
def test_only_an_admin_may_replay_or_forget(scene: Scene, scope: str) -> None:
    task = scene.generate(outcome="error")
    before = scene.client.wait_for(task.id)
    caller = scene.installation.client(scope)
    status = 403 if scope else 401
    assert caller.request("POST", f"/api/jobs/{task.id}/rescues").status_code == status
    assert caller.request("DELETE", f"/api/jobs/{task.id}").status_code == status
    assert scene.client.job(task.id) == before
