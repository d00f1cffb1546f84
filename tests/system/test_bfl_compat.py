"""BFL-compatible API: fields, status words and errors as at BFL."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.harness import Client
from tests.harness.installation import KEYS
from tests.harness.patience import wait_for
from tests.harness.scene import QUICK_SECONDS, Scene, running_scene

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("dropin"), MAX_ACTIVE="24,busy-model=1") as running:
        yield running


def submit(
    scene: Scene, model: str = "flux-2-pro", key: str = KEYS["submit"], **inputs: Any
) -> requests.Response:
    switches = {"seconds": QUICK_SECONDS, **inputs.pop("sandbox", {})}
    body = {"prompt": "a lighthouse", "sandbox": switches, **inputs}
    return requests.post(
        f"{scene.installation.url}/v1/{model}", json=body, headers={"x-key": key}, timeout=15
    )


def poll(scene: Scene, job_id: str) -> dict[str, Any]:
    answer = scene.client.get("/v1/get_result", id=job_id)
    assert answer.headers["Retry-After"] == "1"
    said: dict[str, Any] = answer.json()
    return said


def ended(scene: Scene, job_id: str) -> dict[str, Any]:
    def final() -> dict[str, Any] | None:
        said = poll(scene, job_id)
        return said if said["status"] != "Pending" else None

    return wait_for(f"the end of {job_id}", final, 20)


def test_a_submission_is_answered_as_bfl_answers_it(scene: Scene) -> None:
    said = submit(scene).json()
    url = f"{scene.installation.url}/v1/get_result?id={said['id']}"
    assert set(said) == {"id", "polling_url", "cost", "input_mp", "output_mp"}
    assert (said["polling_url"], said["cost"]) == (url, 3.0)
    assert said["output_mp"] > 0


def test_the_job_is_known_by_both_ids(scene: Scene) -> None:
    said = submit(scene).json()
    job = scene.client.wait_for(said["id"])
    assert job["task_id"] != job["id"] == said["id"]
    assert scene.client.job(job["task_id"])["id"] == said["id"]
    assert poll(scene, job["task_id"])["id"] == said["id"]


def test_ready_comes_only_after_the_media_are_stored(scene: Scene) -> None:
    said = submit(scene, sandbox={"hang": 1.5}).json()
    ready = scene.client.wait_for(said["id"], "ready")
    early = poll(scene, said["id"])
    assert (early["status"], early["result"]) == ("Pending", None)
    final = ended(scene, said["id"])
    assert final["status"] == "Ready"
    sample = final["result"]["sample"]
    assert sample.startswith(f"{scene.installation.url}/media/")
    assert requests.get(sample, timeout=5).content == scene.box.picture(ready["task_id"], 0)


def test_the_result_has_bfls_fields_and_none_that_is_null(scene: Scene) -> None:
    result = ended(scene, submit(scene, seed=7).json()["id"])["result"]
    assert {"sample", "prompt", "seed", "start_time"} <= set(result)
    assert result["seed"] == 7 and None not in result.values()


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ("error", "Error"),
        ("request_moderated", "Request Moderated"),
        ("content_moderated", "Content Moderated"),
    ],
)
def test_a_task_that_failed_ends_in_bfls_word(scene: Scene, outcome: str, word: str) -> None:
    final = ended(scene, submit(scene, sandbox={"outcome": outcome}).json()["id"])
    assert (final["status"], final["result"]) == (word, None)
    if "moderated" in outcome:
        assert final["details"] == {"Moderation Reasons": ["Violence"]}


def test_a_refused_input_returns_bfls_own_error_at_once(scene: Scene) -> None:
    answer = submit(scene, width="wide")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "width"]
    assert "valid integer" in answer.json()["message"]


def test_of_two_keys_each_must_be_a_good_one(scene: Scene) -> None:
    url, good = f"{scene.installation.url}/v1/credits", KEYS["read"]
    for bearer, own in (("Bearer wrong", good), (f"Bearer {good}", "wrong"), ("good", good)):
        headers = {"Authorization": bearer, "x-key": own}
        assert requests.get(url, headers=headers, timeout=5).status_code == 403
    for bearer in (f"Bearer {good}", "Basic of-a-proxy"):
        headers = {"Authorization": bearer, "x-key": good}
        assert requests.get(url, headers=headers, timeout=5).status_code == 200


def test_the_sandbox_is_not_sent_to_a_host_that_the_submitter_names(scene: Scene) -> None:
    body = {"prompt": "elsewhere", "sandbox": {"seconds": QUICK_SECONDS}}
    headers = {"x-key": KEYS["submit"], "Host": "evil.example:99"}
    url = f"{scene.installation.url}/v1/flux-2-pro"
    job_id = requests.post(url, json=body, headers=headers, timeout=15).json()["id"]
    task = scene.box.task(scene.client.wait_for(job_id, "submitted", "stored")["task_id"])
    assert task.webhook_url and "evil.example" not in task.webhook_url


def test_an_unknown_model_is_404(scene: Scene) -> None:
    answer = submit(scene, "unknown-model")
    assert (answer.status_code, answer.json()["detail"]) == (404, "Not Found")


@pytest.mark.parametrize("path", ["flux-2-pro", "flux-tools/vto-v2"])
def test_any_path_bfl_has_is_a_model(scene: Scene, path: str) -> None:
    assert scene.client.wait_for(submit(scene, path).json()["id"])["model"] == path


@pytest.mark.parametrize("path", ["..%2fx", "a//b", "a%20b", "flux%0a", "fl%C3%BCx", "a%2f.%2fb"])
def test_a_path_that_is_none_is_refused_and_submits_nothing(scene: Scene, path: str) -> None:
    before = len(scene.box.tasks())
    answer = submit(scene, path)
    assert answer.status_code in (404, 422)
    assert answer.json()["detail"]
    assert len(scene.box.tasks()) == before


@pytest.mark.parametrize("key", ["", "not-a-key"])
def test_a_wrong_key_is_403_as_at_bfl(scene: Scene, key: str) -> None:
    answer = submit(scene, key=key)
    assert answer.status_code == 403
    assert answer.json()["detail"] == "Not authenticated - Invalid Authentication"


def test_a_key_that_may_only_read_may_not_submit(scene: Scene) -> None:
    assert submit(scene, key=KEYS["read"]).status_code == 403


def test_an_unknown_id_is_not_found_in_bfls_shape(scene: Scene) -> None:
    answer = scene.client.get("/v1/get_result", id=UNKNOWN)
    assert answer.status_code == 404
    assert answer.json() == {
        "id": UNKNOWN,
        "status": "Task not found",
        "result": None,
        "progress": None,
        "details": None,
        "preview": None,
    }


def test_an_id_that_comes_twice_is_answered_where_it_is_the_same(scene: Scene) -> None:
    """BFL's guide appends `id` to a polling URL that already has it."""
    said = submit(scene).json()
    key = {"x-key": KEYS["read"]}
    twice = requests.get(said["polling_url"], params={"id": said["id"]}, headers=key, timeout=5)
    assert twice.url.count("id=") == 2
    assert (twice.status_code, twice.json()["id"]) == (200, said["id"])
    other = requests.get(said["polling_url"], params={"id": UNKNOWN}, headers=key, timeout=5)
    assert other.status_code == 400 and "id:" in other.json()["detail"]


@pytest.mark.parametrize("task_id", ["", "a/b", "x" * 129, "a\n"])
def test_an_id_that_is_none_is_refused(scene: Scene, task_id: str) -> None:
    answer = scene.client.get("/v1/get_result", id=task_id)
    assert answer.status_code == 400 and "id:" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"a": 1, "a": 2}'])
def test_a_body_that_is_no_object_is_refused(scene: Scene, body: bytes) -> None:
    answer = scene.client.request("POST", "/v1/flux-2-pro", data=body)
    assert answer.status_code == 400 and answer.json()["detail"]


def test_credits_are_bfls_answer(scene: Scene) -> None:
    assert scene.client.get("/v1/credits").json() == {"credits": scene.box.settings.credits}


def test_credits_without_a_good_key_of_ours_blame_us_and_not_the_caller(scene: Scene) -> None:
    scene.box.settings.keys = {"another"}
    try:
        answer = scene.client.get("/v1/credits")
    finally:
        scene.box.settings.keys = set()
    assert answer.status_code == 502
    assert "this Fluxkeep" in answer.json()["detail"]


def test_a_task_that_its_caller_submitted_can_be_polled(scene: Scene) -> None:
    task = scene.generate()
    scene.stored(task)
    assert ended(scene, task.id)["status"] == "Ready"


def test_the_same_idempotency_key_is_one_generation(scene: Scene) -> None:
    def again() -> dict[str, Any]:
        headers = {"x-key": KEYS["submit"], "Idempotency-Key": "one"}
        url = f"{scene.installation.url}/v1/flux-2-pro"
        answer = requests.post(url, json={"prompt": "p"}, headers=headers, timeout=15)
        said: dict[str, Any] = answer.json()
        return said

    assert again()["id"] == again()["id"]


def test_while_a_model_is_busy_its_clients_wait_in_line(scene: Scene) -> None:
    slow = submit(scene, "busy-model", sandbox={"seconds": 6.0}).json()
    next_one = submit(scene, "busy-model").json()
    assert next_one["cost"] is None
    assert poll(scene, next_one["id"])["status"] == "Pending"
    assert scene.client.job(next_one["id"])["status"] == "queued"
    assert ended(scene, slow["id"])["status"] == ended(scene, next_one["id"])["status"] == "Ready"


@pytest.mark.slow
def test_while_redis_is_away_a_poll_says_pending(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_scene(tmp_path_factory.mktemp("away")) as scene:
        job_id = submit(scene).json()["id"]
        client = Client(scene.installation.url, KEYS["read"])
        scene.installation.redis.kill()
        answer = client.get("/v1/get_result", id=job_id)
        client.close()
        assert (answer.status_code, answer.json()["status"]) == (200, "Pending")
