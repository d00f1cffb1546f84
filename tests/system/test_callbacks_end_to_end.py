"""From callback to stored media, for every form of BFL's reports; duplicates change nothing."""

import json
from collections.abc import Iterator

import pytest

from tests.harness import Stack, running_stack

ERAS = ("current", "legacy", "skills")
AUTHENTICATIONS = ("secret", "signature", "both")
EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp", "mp4": "mp4"}


@pytest.fixture(scope="module", params=["on", "off"], ids="accelerator_{}".format)
def stack(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Stack]:
    """An installation whose callback grace outlasts the tests: no polls."""
    settings = {"CALLBACK_GRACE": "600", "CALLBACK_ACCELERATOR": request.param}
    with running_stack(tmp_path_factory.mktemp("callbacks"), **settings) as running:
        yield running
        running.settled()


@pytest.mark.parametrize(("era", "auth"), list(zip(ERAS, AUTHENTICATIONS, strict=True)))
def test_a_callback_of_any_era_is_stored(stack: Stack, era: str, auth: str) -> None:
    task = stack.generate(payload=era, auth=auth)
    job = stack.stored(task)
    assert job["source"] == "callback"
    assert job["task_id"] == job["id"] == task.id
    assert stack.outcomes(task) == [200]
    assert stack.polls(task) == []
    assert len(stack.deliveries(task)) == len(stack.objects(task)) == len(job["media"]) == 1


def test_four_callbacks_give_one_download_and_one_object(stack: Stack) -> None:
    task = stack.generate(callback=4)
    assert stack.outcomes(task, 4) == [200] * 4
    stack.stored(task)
    assert len(stack.deliveries(task)) == len(stack.objects(task)) == 1


@pytest.mark.parametrize("form", EXTENSIONS)
def test_each_format_is_recognised_by_its_own_bytes(stack: Stack, form: str) -> None:
    task = stack.generate(format=form, content_type="application/octet-stream")
    file = stack.stored(task)["media"][0]
    kind = "video" if form == "mp4" else "image"
    assert file["content_type"] == f"{kind}/{form}"
    assert file["bytes"] == len(stack.sandbox.file(task.id))
    assert file["width"] and file["height"]
    assert (file["duration"] is not None) is (form == "mp4")
    assert [path.suffix for path in stack.objects(task)] == [f".{EXTENSIONS[form]}"]


@pytest.mark.parametrize("path", ["results", "sharded", "durable"])
def test_a_url_of_any_shape_is_fetched_and_never_shown(stack: Stack, path: str) -> None:
    task = stack.generate(path=path)
    job = stack.stored(task)
    assert "sig=" not in json.dumps(job)
    assert (
        job["result"]["seed"]
        == json.loads(stack.sandbox.task(task.id).callbacks[0].body)["result"]["seed"]
    )
