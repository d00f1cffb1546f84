"""Agents use the official clients of the Model Context Protocol against a whole installation."""

import base64
import json
import time
from typing import Any, NamedTuple

import pytest
import requests

from tests.harness import DEFAULTS, KEYS, Stack, wait_for, wait_for_none
from tests.harness.agents import CLIENTS, Call, talk, tool
from tests.harness.connections import held_connections
from tests.harness.wire import Wire, request
from tests.sandbox.formats import gradient

QUICK: dict[str, Any] = {"seconds": 0.05, "strict": False}
SLOW = {"seconds": 1.0, "strict": False, "progress_events": 2}
CHANGING = ("generate", "edit", "cancel_job")
TOOLS = [
    *("generate", "edit", "get_job", "wait_for_job", "cancel_job"),
    *("search_jobs", "list_models", "budget"),
]

SPENDERS = {client: f"spending-key-of-{client}" for client in CLIENTS}
_ENTRIES = [f"{client}:{key}:submit:budget=4/day" for client, key in SPENDERS.items()]
SETTINGS = {"API_KEYS": ",".join([str(DEFAULTS["API_KEYS"]), *_ENTRIES])}


class Conversation(NamedTuple):
    """Answers to an agent before and after it knew its jobs; the tasks that BFL has."""

    first: list[dict[str, Any]]
    second: list[dict[str, Any]]
    stack: Stack
    word: str  # in its prompts, and in no others

    def prompted(self, text: str) -> Any:
        found = [task for task in self.stack.sandbox.tasks() if task.input["prompt"] == text]
        (task,) = found
        return task


@pytest.fixture(scope="module", params=CLIENTS)
def conversation(request: pytest.FixtureRequest, stack: Stack) -> Conversation:
    client = word = request.param
    url = stack.installation.url
    image = {"input": {"sandbox": QUICK, "seed": 7}}
    moderated = {"input": {"sandbox": {**QUICK, "outcome": "request_moderated"}}}
    video = {"model": "flux-3-video", "input": {"sandbox": SLOW}}
    first = talk(
        client,
        url,
        KEYS["submit"],
        ("list_tools",),
        ("call_tool", "generate", {"prompt": f"a {word} fox", **image}),
        ("call_tool_with_progress", "generate", {"prompt": f"a {word} film", "wait": 40, **video}),
        ("call_tool", "generate", {"prompt": f"a {word} clip", "wait": 0.1, **video}),
        ("call_tool", "generate", {"prompt": f"a {word} secret", **moderated}),
        ("call_tool", "generate", {"prompt": f"a {word} model", "model": "finetune"}),
        ("call_tool", "search_jobs", {"query": word, "limit": 4}),
        ("call_tool", "list_models", {}),
        ("list_resources",),
        ("list_resource_templates",),
    )
    fox, clip, secret = (first[n]["structuredContent"]["id"] for n in (1, 3, 4))
    second = talk(
        client,
        url,
        KEYS["submit"],
        ("call_tool_with_progress", "wait_for_job", {"id": clip, "wait": 40}),
        ("call_tool", "edit", {"job": f"fluxkeep://jobs/{fox}", "prompt": f"a {word} wolf"}),
        ("call_tool", "get_job", {"id": secret}),
        ("read_resource", f"fluxkeep://jobs/{fox}"),
        ("read_resource", f"fluxkeep://jobs/{fox}/media/0"),
        ("read_resource", "fluxkeep://jobs/unknown"),
    )
    return Conversation(first, second, stack, word)


def blocks(answer: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in answer["content"] if block["type"] == kind]


def test_the_tools_say_what_they_take_give_and_change(conversation: Conversation) -> None:
    tools = {tool["name"]: tool for tool in conversation.first[0]["tools"]}
    assert list(tools) == TOOLS
    for name, one in tools.items():
        assert one["description"] and one["inputSchema"]["type"] == one["outputSchema"]["type"]
        assert one["annotations"]["readOnlyHint"] is (name not in CHANGING)
        assert one["annotations"]["destructiveHint"] is False
    assert tools["generate"]["inputSchema"]["required"] == ["prompt"]
    assert len(json.dumps(conversation.first[0])) < 12_000  # each costs a model a third of a token


def test_an_agent_gets_its_image_with_link_seed_and_cost(conversation: Conversation) -> None:
    answer = conversation.first[1]
    told = answer["structuredContent"]
    assert json.loads(blocks(answer, "text")[0]["text"]) == told
    assert (told["status"], told["seed"], told["cost"]) == ("stored", 7, 3.0)
    task = conversation.prompted(f"a {conversation.word} fox")
    body = conversation.stack.sandbox.file(task.id)
    (image,) = blocks(answer, "image")
    assert base64.b64decode(image["data"]) == body and image["mimeType"] == "image/jpeg"
    (link,) = blocks(answer, "resource_link")
    assert link["uri"] == told["links"][0]
    assert requests.get(link["uri"], timeout=30).content == body


def test_a_video_is_waited_for_with_progress(conversation: Conversation) -> None:
    film, early, late = *conversation.first[2:4], conversation.second[0]
    for answer in (film, late):
        assert answer["structuredContent"]["status"] == "stored"
        (link,) = blocks(answer, "resource_link")
        assert link["mimeType"] == "video/mp4" and not blocks(answer, "image")
    values = [value for value, _ in film["progress"]]
    assert len(values) > 2 and values == sorted({*values})
    words = [message for _, message in film["progress"]]
    assert "submitted, 33%" in words and words[-1].startswith("stored")
    told = early["structuredContent"]
    assert told["status"] in ("queued", "submitted") and not early.get("isError")
    assert "wait_for_job" in told["message"] and told["id"] == late["structuredContent"]["id"]
    conversation.prompted(f"a {conversation.word} clip")  # it was submitted once


def test_a_moderated_prompt_is_an_error_of_the_tool(conversation: Conversation) -> None:
    refused, asked = conversation.first[4], conversation.second[2]
    assert refused["isError"] and "change the prompt" in refused["structuredContent"]["message"]
    assert not asked.get("isError")
    assert asked["structuredContent"]["status"] == "moderated"
    wrong = conversation.first[5]
    assert wrong["isError"] and "is no generation" in wrong["content"][0]["text"]


def test_an_edit_sends_the_stored_image(conversation: Conversation) -> None:
    edited = conversation.second[1]
    fox = conversation.prompted(f"a {conversation.word} fox")
    wolf = conversation.prompted(f"a {conversation.word} wolf")
    assert edited["structuredContent"]["status"] == "stored"
    sent = base64.b64decode(wolf.input["input_image"])
    assert sent == conversation.stack.sandbox.file(fox.id)


def test_jobs_are_found_listed_and_read(conversation: Conversation) -> None:
    _, fox, film, clip, secret, _, found, models, resources, templates = conversation.first
    ids = [answer["structuredContent"]["id"] for answer in (secret, clip, film, fox)]
    rows = found["structuredContent"]["jobs"]
    assert [row["id"] for row in rows] == ids
    assert rows[3]["links"] and rows[3]["prompt"] == f"a {conversation.word} fox"
    rows = models["structuredContent"]["models"]
    assert {row["model"]: row["last_cost"] for row in rows}["flux-2-pro"] == 3.0
    assert f"fluxkeep://jobs/{ids[3]}" in [one["uri"] for one in resources["resources"]]
    assert len(templates["resourceTemplates"]) == 2
    job, media, unknown = conversation.second[3:]
    assert json.loads(job["contents"][0]["text"])["input"]["seed"] == 7
    assert media["contents"][0]["blob"] == blocks(fox, "image")[0]["data"]
    assert "No job has this id" in unknown["error"]["message"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_key_that_may_only_read_is_told_so(stack: Stack, client: str) -> None:
    job = stack.posted()
    task, before = stack.task(job), len(stack.sandbox.tasks())
    refused, found, read = talk(
        client,
        stack.installation.url,
        KEYS["read"],
        ("call_tool", "generate", {"prompt": "a"}),
        ("call_tool", "search_jobs", {"query": task.input["prompt"]}),
        ("read_resource", f"fluxkeep://jobs/{job['id']}"),
    )
    assert refused["isError"] and "scope submit" in refused["content"][0]["text"]
    assert found["structuredContent"]["jobs"][0]["id"] == job["id"]
    assert "input" not in json.loads(read["contents"][0]["text"])
    assert len(stack.sandbox.tasks()) == before


@pytest.mark.parametrize("client", CLIENTS)
def test_a_spent_budget_ends_a_loop_before_bfl_is_asked(stack: Stack, client: str) -> None:
    before = len(stack.sandbox.tasks())
    again: Call = ("call_tool", "generate", {"prompt": "again", "input": {"sandbox": QUICK}})
    ask: Call = ("call_tool", "budget", {})
    url, key = stack.installation.url, SPENDERS[client]
    first, made, *refused, last = talk(client, url, key, ask, again, again, again, ask)
    assert made["structuredContent"]["cost"] == 3.0
    for answer in refused:
        assert answer["isError"] and "budget" in answer["content"][0]["text"], answer
    (was,), (now,) = (answer["structuredContent"]["budgets"] for answer in (first, last))
    assert (was["left"], now["left"], now["spent"]) == (4.0, 1.0, 3.0)
    assert len(stack.sandbox.tasks()) == before + 1


def post(stack: Stack, body: dict[str, Any]) -> Any:
    client = stack.installation.client("submit")
    headers = {"MCP-Protocol-Version": "2025-11-25"}
    answer = client.request("POST", "/mcp", json=body, headers=headers, timeout=70)
    return answer.json()["result"]


def test_images_come_as_urls_base64_and_stored_jobs(stack: Stack) -> None:
    small, large = (base64.b64encode(gradient(n)).decode() for n in (3, 5))
    large = base64.b64encode(base64.b64decode(large) + bytes(80_000)).decode()
    first = post(stack, tool("generate", prompt="an image", input={"sandbox": QUICK}, wait=20))
    job = first["structuredContent"]["id"]
    url = "https://images.example/cat.png"
    given = [url, small, f"data:image/png;base64,{large}", job, f"fluxkeep://jobs/{job}/media/0"]
    answer = post(
        stack,
        tool("generate", prompt="five images", images=given, input={"sandbox": QUICK}, wait=20),
    )
    assert "isError" not in answer, answer
    (task,) = (one for one in stack.sandbox.tasks() if one.input["prompt"] == "five images")
    (source,) = (one for one in stack.sandbox.tasks() if one.input["prompt"] == "an image")
    stored = base64.b64encode(stack.sandbox.file(source.id)).decode()
    names = ["input_image", *(f"input_image_{n}" for n in range(2, 6))]
    sent = [task.input[name] for name in names]
    assert sent == [url, small, large, stored, stored]
    for images, why in (
        (["fluxkeep://jobs/unknown"], "No job has this id"),
        ([f"fluxkeep://jobs/{job}/media/1"], "has no such file"),
        ([url] * 3, "takes 1 images"),
    ):
        refused = post(stack, tool("generate", prompt="a", model="flux-pro-1.1", images=images))
        assert refused["isError"] and why in refused["content"][0]["text"]


def test_a_large_image_is_shown_as_its_thumbnail(stack: Stack) -> None:
    switches = {**QUICK, "size": 1_500_000}
    result = post(stack, tool("generate", prompt="large", input={"sandbox": switches}, wait=40))
    (image,) = blocks(result, "image")
    assert image["mimeType"] == "image/webp" and len(image["data"]) <= 1_000_000
    (link,) = blocks(result, "resource_link")
    assert len(requests.get(link["uri"], timeout=30).content) >= 1_500_000


@pytest.mark.parametrize("meta", [{}, {"progressToken": 1}], ids=["answer", "stream"])
def test_a_client_that_goes_away_holds_no_place(stack: Stack, meta: dict[str, Any]) -> None:
    task = stack.announced(seconds=60)
    ask = tool("wait_for_job", id=task.id, wait=50)
    ask["params"]["_meta"] = meta
    headers = [("x-key", KEYS["read"]), ("Accept", "text/event-stream"), ("Connection", "close")]
    server_port = stack.installation.ports[0]
    with Wire(server_port) as wire:
        ports = {wire.local_port}
        wire.send(request(headers, json.dumps(ask).encode(), target="/mcp"))
        wait_for("it is waiting", lambda: held_connections(server_port, ports))
    left_at = time.monotonic()
    wait_for_none("it is gone", lambda: held_connections(server_port, ports))
    assert time.monotonic() - left_at < 40  # of the 50 s that it would have waited
