"""Texts of an input: as long as BFL's report can repeat, and no longer, at every door."""

import base64
import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from jobs.domain.status import Status
from jobs.kept_inputs import TEXT_MAX_BYTES
from tests.harness.local_worker import LocalWorker

MODEL = "flux-2-pro"
NEVER_CALLED = {"callback": "never", "seconds": 0}
LONGEST: dict[str, str] = {
    "letters that read like base64": "a" * TEXT_MAX_BYTES,
    "words": ("a fox " * TEXT_MAX_BYTES)[:TEXT_MAX_BYTES],
    "quotes": '"' * TEXT_MAX_BYTES,
    "another alphabet": "\u9727" * (TEXT_MAX_BYTES // 3) + "a",
    "emoji": "\U0001f98a" * (TEXT_MAX_BYTES // 4),
    "control characters": "\x01" * TEXT_MAX_BYTES,
}


@pytest.mark.parametrize("prompt", LONGEST.values(), ids=LONGEST)
def test_the_longest_prompt_is_stored_although_the_report_repeats_it(
    worker: LocalWorker, api: FlaskClient, prompt: str
) -> None:
    given = {"prompt": prompt, "sandbox": {**NEVER_CALLED, "extra_result": {"prompt": prompt}}}
    answer: Any = api.post("/api/jobs", json={"model": MODEL, "input": given})
    assert answer.status_code == 202, answer.text
    worker.work(1)
    job_id = answer.json["id"]
    worker.store.change(job_id, lambda job, now: job.enqueue(now))
    worker.work(2)
    assert worker.job(job_id).status is Status.STORED


def api_door(api: FlaskClient, given: dict[str, Any]) -> Any:
    return api.post("/api/jobs", json={"model": MODEL, "input": given})


def dry_run(api: FlaskClient, given: dict[str, Any]) -> Any:
    return api.post("/api/jobs?dry_run=1", json={"model": MODEL, "input": given})


def drop_in(api: FlaskClient, given: dict[str, Any]) -> Any:
    return api.post(f"/v1/{MODEL}", json=given)


def repeat(api: FlaskClient, given: dict[str, Any]) -> Any:
    first: Any = api_door(api, {"prompt": "a"})
    return api.post(f"/api/jobs/{first.json['id']}/repeats", json={"input": given})


DOORS = [api_door, dry_run, drop_in, repeat]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("prompt", LONGEST.values(), ids=LONGEST)
def test_one_byte_more_is_refused_at_each_door(api: FlaskClient, door: Any, prompt: str) -> None:
    answer = door(api, {"prompt": f"{prompt}a"})
    assert answer.status_code == 422
    body = json.dumps(answer.get_json())
    assert "262,144 bytes" in body and "prompt" in body
    assert len(body) < 2000


def test_an_agent_is_told_too(api: FlaskClient) -> None:
    arguments = {"model": MODEL, "prompt": "a" * (TEXT_MAX_BYTES + 1), "wait": 0}
    params = {"name": "generate", "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    result = api.post("/mcp", json=message).get_json()["result"]
    assert result["isError"] and "262,144 bytes" in json.dumps(result)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"prompt": "a", "t2v": {"prompt": "b" * (TEXT_MAX_BYTES + 1)}}, "input.t2v.prompt"),
        ({"prompts": ["a", "b" * (TEXT_MAX_BYTES + 4)]}, "input.prompts.1"),
        ({"negative_prompt": "a" * (TEXT_MAX_BYTES + 4)}, "input.negative_prompt"),
        ({"note": "not base64, " * TEXT_MAX_BYTES}, "input.note"),
    ],
)
def test_the_field_is_named(api: FlaskClient, given: dict[str, Any], field: str) -> None:
    answer: Any = api_door(api, given)
    assert answer.status_code == 422 and [one["field"] for one in answer.json["errors"]] == [field]


def test_images_are_no_texts(api: FlaskClient) -> None:
    image = base64.b64encode(b"\xff\xd8\xff" + bytes(2 * TEXT_MAX_BYTES)).decode()
    bundle = base64.b64encode(b"\x00\x01" * TEXT_MAX_BYTES).decode()
    lines = "\n".join(image[at : at + 76] for at in range(0, len(image), 76))
    images = {
        "input_image": image,
        "input_image_3": lines,
        "input_image_2": f"data:image/jpeg;base64,{image}",
    }
    answer = api_door(api, {"prompt": "a", **images, "draft_cache": bundle})
    assert answer.status_code == 202, answer.text
