"""Third-party clients of BFL's API work with only the base URL changed."""

import base64
import hashlib
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.harness import KEYS, Stack
from tests.harness.third_party_clients import CLIENTS, Foreign, GenerationRequest
from tests.sandbox import Sandbox, Task
from tests.sandbox.formats import MP4, gradient

pytestmark = pytest.mark.slow

PYTHON = [client for client in CLIENTS if client.name.startswith("blackforest")]
VIDEO_CLIENT = CLIENTS[-1]  # the only one that makes videos
every_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)

GENERATION_SECONDS = 0.6  # long enough for polls that come too early
PRICE = 4.5  # credits
PATIENCE_SECONDS = 3.0  # of a client that knows no word for the end


@dataclass(frozen=True)
class Api:
    """A BFL-compatible API, and the sandbox behind it."""

    url: str
    key: str
    bfl: Sandbox
    before: int = 0

    @property
    def tasks(self) -> list[Task]:
        """The sandbox's tasks since the test began."""
        return self.bfl.tasks()[self.before :]

    def request(self, timeouts: float = 30.0, **inputs: Any) -> GenerationRequest:
        return GenerationRequest(self.url, self.key, inputs, patience=timeouts)


def afterwards(stack: Stack) -> None:
    """Nobody between a client and BFL passes the client's key on."""
    assert not [seen for seen in stack.sandbox.requests if KEYS["submit"] in str(seen)]


@pytest.fixture
def api(stack: Stack) -> Api:
    """Fluxkeep in front of a sandbox whose delivery hosts refuse API keys."""
    stack.sandbox.reset_default_switches()
    stack.sandbox.settings.generation_seconds = GENERATION_SECONDS
    return Api(stack.installation.url, KEYS["submit"], stack.sandbox, len(stack.sandbox.tasks()))


@every_client
def test_an_image_arrives_to_the_last_byte(client: Foreign, api: Api) -> None:
    # BFL names no price of this model when it accepts it; that of FLUX.2, for example, it does.
    api.bfl.set_default_switches(submit_answer={"cost": PRICE, "output_mp": 1.0})
    outcome = client.run(api.request(output_format="png", seed=7))
    assert "error" not in outcome, outcome
    (task,) = api.tasks
    image = api.bfl.file(task.id)
    assert (task.model, task.input["prompt"]) == ("flux-pro-1.1", "a lighthouse at dawn")
    assert outcome["sha256"] == hashlib.sha256(image).hexdigest()
    assert (outcome["bytes"], outcome["kind"]) == (len(image), "image/png")
    metadata = outcome["metadata"]
    assert metadata["seed"] == 7
    if client in PYTHON:
        assert urlsplit(metadata["sample"]).netloc == urlsplit(api.url).netloc
    else:
        assert (metadata["cost"], metadata["outputMegapixels"]) == (PRICE, 1.0)
        assert outcome["warnings"] == []


VIDEO = "flux-3-video"
IMAGE, CLIP = (base64.b64encode(body).decode() for body in (gradient(3), MP4))


@pytest.mark.parametrize(
    ("given", "mode", "field"),
    [
        ({}, "t2v", "prompt"),
        ({"image": IMAGE}, "i2v", "keyframes"),
        ({"clip": CLIP}, "v2v", "start_video"),
    ],
    ids=["text", "image", "clip"],
)
def test_a_video_arrives_to_the_last_byte(
    api: Api, given: dict[str, Any], mode: str, field: str
) -> None:
    outcome = VIDEO_CLIENT.run(replace(api.request(**given), model=VIDEO))
    assert "error" not in outcome, outcome
    (task,) = api.tasks
    assert task.input["mode"] == mode and task.input[field]
    assert outcome["sha256"] == hashlib.sha256(api.bfl.file(task.id)).hexdigest()
    assert (outcome["kind"], outcome["warnings"]) == ("video/mp4", [])


def test_a_draft_is_finished_by_the_link_in_its_result(api: Api) -> None:
    draft = VIDEO_CLIENT.run(replace(api.request(draft=True), model=VIDEO))
    bundle = draft["metadata"]["draftCache"]
    assert urlsplit(bundle).netloc == urlsplit(api.url).netloc
    outcome = VIDEO_CLIENT.run(replace(api.request(draftCache=bundle), model=VIDEO))
    assert "error" not in outcome, outcome
    first, second = api.tasks
    assert second.input["mode"] == "draft_enhance"
    assert base64.b64decode(second.input["draft_cache"]) == api.bfl.file(first.id, 1)
    assert outcome["sha256"] == hashlib.sha256(api.bfl.file(second.id)).hexdigest()


@every_client
def test_a_refused_input_raises_the_clients_own_error(client: Foreign, api: Api) -> None:
    api.bfl.set_default_switches(submit_status=422)
    error = client.run(api.request())["error"]
    assert error["name"] in ("BFLError", "AI_APICallError")
    # The Python client reads no `detail`: where BFL sends no `message` it tells the status.
    bfls_words = "Input should be a multiple of 16" in error["message"]
    assert bfls_words or (client in PYTHON and "422 Client Error" in error["message"])


@every_client
def test_a_wrong_key_raises_the_clients_own_error(client: Foreign, api: Api) -> None:
    error = client.run(GenerationRequest(api.url, "not-the-key", {}))["error"]
    assert error["name"] in ("BFLError", "AI_APICallError")
    bfls_words = "Not authenticated" in error["message"]
    assert bfls_words or (client in PYTHON and "403 Client Error" in error["message"])
    assert not api.tasks


# What each makes of a request that is moderated, and of a generation that failed.
WORDS = {
    "blackforest-async": ("Request Moderated", "Error"),
    "blackforest-sync": ("Polling exceeded maximum retries",) * 2,
    "ai-sdk-6": ("timed out", "generation failed"),
    "ai-sdk-7": ("timed out", "generation failed"),
}


@every_client
@pytest.mark.parametrize("outcome", ["request_moderated", "error"])
def test_a_task_without_an_image_gives_an_error(client: Foreign, api: Api, outcome: str) -> None:
    api.bfl.set_default_switches(outcome=outcome)
    error = client.run(api.request(PATIENCE_SECONDS))["error"]
    assert WORDS[client.name][outcome == "error"] in error["message"]
    (task,) = api.tasks
    assert not task.deliveries
