"""Apps and the operator are told when a job has ended, signed as Standard Webhooks says."""

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from jobs.job import Job
from jobs.notice import GIVE_UP_AFTER_SECONDS
from jobs.target import Notice
from tests.harness.foreign import verified
from tests.harness.hook import Call, Hook
from tests.harness.parts import Parts
from tests.harness.patience import wait_for
from tests.harness.scene import QUICK_SECONDS, Scene, running_scene, without_links

OLD, NEW, OTHER = (f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}" for _ in range(3))
STORM = 60
Telling = Callable[[Notice, float], Notice]


@pytest.fixture(scope="module")
def owner() -> Iterator[Hook]:
    """What NOTIFY_URL leads to."""
    listening = Hook()
    yield listening
    listening.close()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, owner: Hook) -> Iterator[Scene]:
    with running_scene(
        tmp_path_factory.mktemp("notifications"),
        NOTIFY_URL=owner.url,
        NOTIFY_SECRET=f"{NEW},{OLD}",
        NOTIFY_HOSTS="*,localhost",
    ) as running:
        yield running


@pytest.fixture
def hook() -> Iterator[Hook]:
    """What a job's `notify_url` leads to."""
    listening = Hook()
    yield listening
    listening.close()


@pytest.fixture(autouse=True)
def each_test_hears_of_its_own_jobs_alone(owner: Hook) -> Iterator[None]:
    yield
    owner.calls.clear()


def notified(scene: Scene, url: str, **switches: Any) -> str:
    """The id of a job whose end is told to this URL."""
    wanted = {"prompt": "p", "sandbox": {"seconds": QUICK_SECONDS, **switches}}
    order = {"model": "flux-2-pro", "input": wanted, "notify_url": url}
    answer = scene.client.request("POST", "/api/jobs", json=order)
    answer.raise_for_status()
    return str(answer.json()["id"])


def moved(scene: Scene, job_id: str, step: Telling) -> None:
    """Time passes for whoever is still owed a notice."""

    def pass_time(job: Job | None, now: float) -> Job | None:
        return job and replace(job, notices=tuple(step(one, now) for one in job.notices))

    with scene.installation.redis.client() as redis:
        Parts.over(redis).store.change(job_id, pass_time)


def due_now(one: Notice, now: float) -> Notice:
    return replace(one, at=now)


def a_day_later(one: Notice, now: float) -> Notice:
    return replace(one, at=now, since=one.since - GIVE_UP_AFTER_SECONDS)


def told(scene: Scene, job_id: str) -> list[tuple[str, str]]:
    """What the timeline says of each target."""
    lines = scene.client.job(job_id)["timeline"]
    return [(line["what"], line["detail"]["to"]) for line in lines if "to" in line["detail"]]


def _is_why(scene: Scene, job_id: str, reason: str) -> bool:
    lines = scene.client.job(job_id)["timeline"]
    return reason in [line["detail"].get("reason") for line in lines]


def wait_until_told(scene: Scene, job_id: str, what: str, to: str = "notify_url") -> None:
    wait_for(f"{what} ({to})", lambda: (what, to) in told(scene, job_id), 40)


def by_python(call: Call, secret: str) -> Any:
    return Webhook(secret).verify(call.body, call.headers)


def about(hook: Hook, job_id: str) -> list[Call]:
    return [call for call in hook.calls if call.said["data"]["id"] == job_id]


# What is told.


def test_app_and_operator_are_told_of_the_end_with_the_job_as_the_api_shows_it(
    scene: Scene, hook: Hook, owner: Hook
) -> None:
    job_id = notified(scene, hook.url)
    calls = hook.called(), wait_for("the owner is told", partial(about, owner, job_id))[0]
    for call in calls:
        said = by_python(call, NEW)
        assert said["type"] == "job.stored"
        job = scene.client.job(job_id)
        ours = {**said["data"], "timeline": job["timeline"], "updated_at": job["updated_at"]}
        assert without_links(ours) == without_links(job)
        assert scene.client.media(said["data"]) == scene.box.picture(job["task_id"], 0)
        assert said["timestamp"][:19] <= job["updated_at"][:19] and said["timestamp"][-1] == "Z"
        assert call.headers["Content-Type"] == "application/json"
    assert calls[0].id != calls[1].id and all(
        call.id.isascii() and "." not in call.id for call in calls
    )
    wait_until_told(scene, job_id, "webhook called")
    wait_until_told(scene, job_id, "webhook called", "NOTIFY_URL")


def test_the_specifications_own_verifiers_agree_in_python(scene: Scene, hook: Hook) -> None:
    notified(scene, hook.url)
    call = hook.called()
    for secret in (NEW, OLD):  # receivers change over whenever they like
        assert by_python(call, secret) == call.said
    forged = call._replace(body=call.body.replace(b"job.stored", b"job.failed"))
    for wrong in (forged, call._replace(headers={**call.headers, "webhook-id": "msg_1"})):
        with pytest.raises(WebhookVerificationError):
            by_python(wrong, NEW)
    with pytest.raises(WebhookVerificationError):
        by_python(call, OTHER)


@pytest.mark.slow
@pytest.mark.timeout(400)  # the first may have to install it
def test_the_specifications_own_verifier_agrees_in_javascript(scene: Scene, hook: Hook) -> None:
    notified(scene, hook.url)
    call = hook.called()
    headers = {name.lower(): value for name, value in call.headers.items()}
    for secret in (NEW, OLD):
        assert verified(secret, headers, call.body.decode()) == {"said": call.said}
    assert "error" in verified(OTHER, headers, call.body.decode())
    assert "error" in verified(NEW, headers, call.body.decode() + " ")


@pytest.mark.parametrize(
    ("outcome", "kind"), [("error", "job.failed"), ("content_moderated", "job.moderated")]
)
def test_a_bad_end_is_told_as_well(scene: Scene, hook: Hook, outcome: str, kind: str) -> None:
    notified(scene, hook.url, outcome=outcome)
    assert hook.called().said["type"] == kind


def test_a_job_that_its_caller_submitted_is_told_of_too(scene: Scene, hook: Hook) -> None:
    task = scene.expected()
    scene.expect(task, notify_url=hook.url)
    scene.client.callback({"id": task.id, "status": "Error"})
    assert hook.called().said["data"]["id"] == task.id


def test_who_comes_after_the_end_is_told_once(scene: Scene, hook: Hook) -> None:
    task = scene.generate()
    scene.stored(task)
    for _ in range(3):
        scene.expect(task, notify_url=hook.url)
    hook.called()
    wait_until_told(scene, task.id, "webhook called")
    assert len(hook.calls) == 1


def test_a_job_that_ends_again_after_a_replay_is_another_event(scene: Scene, hook: Hook) -> None:
    job_id = notified(scene, hook.url, outcome="error")
    first = hook.called()
    wait_until_told(scene, job_id, "webhook called")
    assert scene.client.request("POST", f"/api/jobs/{job_id}/rescues").status_code == 202
    assert hook.called(2, timeout=30).id != first.id


# When it does not get through.


def test_a_receiver_that_was_down_for_a_while_is_told_afterwards(scene: Scene) -> None:
    hook = Hook(500, 404, 429, listening=False)
    job_id = notified(scene, hook.url)
    wait_until_told(scene, job_id, "webhook not reached")
    hook.listen()
    for status in tuple(hook.answers):
        moved(scene, job_id, due_now)
        wait_for(f"a {status}", partial(_is_why, scene, job_id, f"it answered {status}"))
    moved(scene, job_id, due_now)
    wait_until_told(scene, job_id, "webhook called")
    hook.close()
    assert len(hook.calls) == 4 and len({call.id for call in hook.calls}) == 1
    for call in hook.calls:
        by_python(call, NEW)


def test_a_redirect_is_a_failure_and_is_not_followed(scene: Scene, hook: Hook) -> None:
    other = Hook()
    hook.answers, hook.headers = [307], {"Location": other.url}
    job_id = notified(scene, hook.url)
    wait_until_told(scene, job_id, "webhook not reached")
    moved(scene, job_id, due_now)
    hook.called(2)
    other.close()
    assert not other.calls


def test_a_receiver_that_says_it_is_gone_is_not_called_again(scene: Scene, hook: Hook) -> None:
    hook.answers = [410]
    job_id = notified(scene, hook.url)
    wait_until_told(scene, job_id, "webhook given up")
    moved(scene, job_id, due_now)
    time.sleep(1.5)
    assert len(hook.calls) == 1


def test_after_a_day_it_is_given_up_where_that_can_be_seen(scene: Scene, hook: Hook) -> None:
    hook.answers = [500, 500]
    job_id = notified(scene, hook.url)
    wait_until_told(scene, job_id, "webhook not reached")
    moved(scene, job_id, a_day_later)
    wait_until_told(scene, job_id, "webhook given up")
    line = scene.client.job(job_id)["timeline"][-1]
    assert line["detail"] == {"to": "notify_url", "reason": "it answered 500"}


def test_a_receiver_may_say_when_to_come_again(scene: Scene, hook: Hook) -> None:
    hook.answers, hook.headers = [503], {"Retry-After": "600"}
    job_id = notified(scene, hook.url)
    wait_until_told(scene, job_id, "webhook not reached")
    with scene.installation.redis.client() as redis:
        store = Parts.over(redis).store
        job = store.load(job_id)
        assert job and 500 < job.notices[0].at - store.now() <= 600


@pytest.mark.slow
def test_a_silent_receiver_is_left_in_time_and_holds_up_nobody(scene: Scene, hook: Hook) -> None:
    slow = Hook()
    slow.delay = 60
    begun = time.monotonic()
    stuck = [notified(scene, slow.url.replace("127.0.0.1", "localhost")) for _ in range(12)]
    slow.called()
    job_id = notified(scene, hook.url)
    assert hook.called(timeout=10).said["data"]["id"] == job_id
    assert len(slow.calls) == 1, "one that has not proved to be quick gets one call at a time"
    wait_until_told(scene, stuck[0], "webhook not reached")
    assert 14 < time.monotonic() - begun < 60
    slow.close()
    for one in stuck:
        scene.client.request("DELETE", f"/api/jobs/{one}")


@pytest.mark.slow
def test_a_sender_that_is_killed_is_followed_by_another_with_the_same_id(
    scene: Scene, hook: Hook
) -> None:
    hook.delay = 60
    job_id = notified(scene, hook.url)
    first = hook.called()
    scene.installation.kill("sweep")
    scene.installation.running["sweep"].clear()
    hook.delay = 0.0
    scene.installation.start("sweep")
    # Nobody moved the time: what the dead one had taken is due again by itself.
    second = hook.called(2, timeout=60)
    assert second.id == first.id and by_python(second, NEW)["data"]["id"] == job_id
    wait_until_told(scene, job_id, "webhook called")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_storm_of_notices_does_not_delay_a_rescue(scene: Scene, owner: Hook) -> None:
    alone = rescue_seconds(scene)
    dead = Hook()
    dead.delay = 60
    for _ in range(STORM):
        notified(scene, dead.url.replace("127.0.0.1", "localhost"), outcome="error")
    dead.called()
    during = max(rescue_seconds(scene) for _ in range(5))
    assert during < alone + 2.0
    wait_for("the owner is told of all", lambda: len(owner.calls) >= STORM, 60)
    dead.close()


def rescue_seconds(scene: Scene) -> float:
    begun = time.monotonic()
    scene.stored(scene.generate())
    return time.monotonic() - begun


def test_no_secret_is_in_any_log(scene: Scene, hook: Hook) -> None:
    job_id = notified(scene, hook.url)
    hook.called()
    wait_until_told(scene, job_id, "webhook called")
    logs = scene.installation.logs()
    for secret in (OLD, NEW):
        assert secret not in logs and secret.removeprefix("whsec_") not in logs
    assert "/hook" not in logs and hook.calls[-1].headers["webhook-signature"] not in logs
    assert f"job {job_id}: notify_url called" in logs
    assert json.dumps(scene.client.job(job_id)).find("whsec_") == -1
