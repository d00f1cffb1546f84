"""Polling answers of the sandbox."""

import pytest
import requests

from tests.integration.sandbox.clients import KEY, finished, polled, submitted, until
from tests.sandbox import Sandbox


def test_a_task_goes_from_pending_to_ready(box: Sandbox) -> None:
    task = box.submit("flux-2-pro", prompt="a fox", switches={"seconds": 0.2})
    early = polled(box, task.id)
    assert early.json()["status"] == "Pending" and early.json()["result"] is None
    assert (early.headers["Retry-After"], early.headers["X-Ratelimit-Limit"]) == ("1", "1200")
    until(lambda: not box.task(task.id).active)
    late = polled(box, task.id).json()
    assert late["status"] == "Ready"
    assert sorted(late["result"]) == ["prompt", "sample", "seed", "start_time"]
    assert box.task(task.id).polls == 2


def test_the_cost_of_a_film_is_settled_when_it_is_ready(box: Sandbox) -> None:
    body = submitted(box, "flux-3-video", sandbox={"draft_cache": True}).json()
    assert body["cost"] is None
    until(lambda: not box.task(body["id"]).active)
    late = polled(box, body["id"]).json()
    assert late["cost"] == 50.0 and "draft_cache" in late["result"]
    film = requests.get(late["result"]["sample"], timeout=5)
    assert film.headers["Content-Type"] == "video/mp4" and film.content[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("outcome", "word", "details"),
    [
        ("content_moderated", "Content Moderated", {"Moderation Reasons": ["Violence"]}),
        ("request_moderated", "Request Moderated", {"Moderation Reasons": ["Violence"]}),
        ("error", "Error", {"error": "Generation failed"}),
        ("not_found", "Task not found", None),
    ],
)
def test_a_task_can_end_badly(box: Sandbox, outcome: str, word: str, details: object) -> None:
    body = polled(box, finished(box, outcome=outcome).id).json()
    assert (body["status"], body["details"], body["result"]) == (word, details, None)


def test_failing_polls_follow_each_other_and_then_stop(box: Sandbox) -> None:
    task = finished(box, poll_404=1, poll_status_not_found=1, poll_429=1, poll_500=1, poll_html=1)
    answers = [polled(box, task.id) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [404, 200, 429, 500, 200, 200]
    assert answers[1].json()["status"] == "Task not found"
    assert answers[4].headers["Content-Type"].startswith("text/html")
    assert answers[5].json()["status"] == "Ready"


def test_a_poll_can_be_cut_refused_or_forgotten(box: Sandbox) -> None:
    task = finished(box, poll_503=1, poll_cut=1, retry_after=7, forget_after=0)
    assert polled(box, task.id).headers["Retry-After"] == "7"
    with pytest.raises(requests.ConnectionError):
        polled(box, task.id)
    assert polled(box, task.id).json()["status"] == "Task not found"
    box.settings.poll_fault = 500
    assert polled(box, finished(box).id).status_code == 500


def test_a_task_is_only_known_to_its_own_cluster(box: Sandbox) -> None:
    body = submitted(box, sandbox={"wrong_cluster": "not_found"}).json()
    until(lambda: not box.task(body["id"]).active)
    assert polled(box, body["id"]).json()["status"] == "Task not found"
    own = requests.get(body["polling_url"], headers=KEY, timeout=5).json()
    assert own["status"] == "Ready"
