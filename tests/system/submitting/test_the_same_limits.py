"""The same limits at every door: API, `/v1`, form, repeats, agents, commands, PUT, a restore."""

import base64
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import pytest

from jobs.domain.json_values import map_texts
from jobs.input_parts import InputPart
from jobs.job_validation import METADATA_MAX_CHARS, MODEL_MAX_CHARS
from jobs.kept_inputs import DEPTH_MAX, FILES_MAX
from jobs.storage.layout import input_key, sidecar_key
from tests.harness import CommandLine, Stack, stopped_stack
from tests.harness.past_jobs import Archive
from tests.harness.visitor import Visitor, readable

LIMIT_BYTES = 100_000
MODEL = "flux-2-pro"


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Nobody works: what was accepted waits."""
    directory = tmp_path_factory.mktemp("limits")
    with stopped_stack(directory, MAX_INPUT_BYTES=str(LIMIT_BYTES)) as env:
        env.installation.start("web")
        yield env


Request = Mapping[str, Any]  # of `POST /api/jobs`
Door = Callable[[Stack, Request], str]  # returns why it was refused


def api(env: Stack, asked: Request) -> str:
    answer = env.post(asked)
    return "" if answer.status_code == 202 else answer.text


def drop_in(env: Stack, asked: Request) -> str:
    """`POST /v1/<model>`; its webhook is the client's own."""
    caller = env.installation.client("submit")
    answer = caller.request("POST", f"/v1/{asked['model']}", json=asked["input"])
    return "" if answer.status_code == 200 else answer.text


def form(env: Stack, asked: Request) -> str:
    visitor = Visitor(env.installation.url, "submit")
    fields = {name: json.dumps(asked.get(name, {})) for name in ("metadata",)}
    answer = visitor.post(
        "/submit",
        page="/submit",
        files=[("files", ("", b""))],
        model=asked["model"],
        more=json.dumps(asked["input"]),
        idempotency_key=str(uuid.uuid4()),
        **fields,
    )
    return "" if answer.status_code == 303 else readable(answer.text)


def repeat(env: Stack, asked: Request) -> str:
    """Half of the input comes from the job that is repeated."""
    names = list(asked["input"])
    before = {name: asked["input"][name] for name in names[: len(names) // 2]}
    after = {name: asked["input"][name] for name in names[len(names) // 2 :]}
    job = env.post({"model": MODEL, "input": before})
    assert job.status_code == 202, job.text
    caller = env.installation.client("submit")
    path = f"/api/jobs/{job.json()['id']}/repeats"
    answer = caller.request("POST", path, json={**asked, "input": after})
    return "" if answer.status_code == 202 else answer.text


def agent(env: Stack, asked: Request) -> str:
    """A tool of `POST /mcp`, whose answer does not wait."""
    given = {**asked["input"]}
    arguments = {"model": asked["model"], "prompt": given.pop("prompt"), "input": given, "wait": 0}
    params = {"name": "generate", "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = env.installation.client("submit").request("POST", "/mcp", json=message)
    result = answer.json().get("result", {"isError": True})
    return answer.text if result.get("isError") else ""


def command(env: Stack, asked: Request) -> str:
    pairs = [("--input", f"{name}={json.dumps(value)}") for name, value in asked["input"].items()]
    named = [("--metadata", f"{name}={value}") for name, value in asked.get("metadata", {}).items()]
    words = [word for pair in (*pairs, *named) for word in pair]
    result = CommandLine(env.installation).run("submit", "--model", asked["model"], *words)
    return "" if result.code == 0 else result.words


def announcement(env: Stack, asked: Request) -> str:
    caller = env.installation.client("submit")
    answer = caller.put_job(str(uuid.uuid4()), **asked)
    return "" if answer.status_code == 201 else answer.text


def restored(env: Stack, asked: Request) -> str:
    """A sidecar that says so, after a loss of Redis."""
    return restored_from(env, asked, {})


def restored_from(env: Stack, asked: Request, more: Mapping[str, Any]) -> str:
    installation = env.installation
    archive = Archive.over(installation.redis, installation.settings)
    job = archive.stored(given={"prompt": "a"})
    archive.redis.close()  # from here on only the storage is needed
    key = sidecar_key(job.media[0].key)
    files: dict[str, dict[str, Any]] = {}

    def keep(text: str) -> str:
        """As it is kept: an image is an object, whose reference stays."""
        if not text.startswith("/9j/"):
            return text
        part = InputPart.of_bytes("input", base64.b64decode(text))
        name = input_key(job.id, job.created_at, part.sha256, part.content_type)
        part.store(archive.storage, name)
        of_file = {"key": name, "bytes": part.size_bytes, "sha256": part.sha256, "role": "input"}
        sizes = dict.fromkeys(("width", "height", "duration", "thumbnail"))
        files[name] = {**sizes, **of_file, "content_type": part.content_type}
        return f"input:{list(files).index(name)}"

    sidecar = json.loads(b"".join(archive.storage.read(key)))
    sidecar |= {**asked, "input": map_texts(asked["input"], keep), "input_files": [*files.values()]}
    sidecar["input"] |= more
    archive.storage.write(key, json.dumps(sidecar).encode())
    archive.redis.delete(f"fluxkeep:job:{job.id}")
    lines = CommandLine(installation).run("repair").out.splitlines()
    said = [line for line in lines if job.id in line and "cannot be restored" in line]
    assert (archive.job(job) is None) is bool(said)
    return "".join(said)


DOORS: dict[str, Door] = {
    "POST /api/jobs": api,
    "POST /v1": drop_in,
    "the form": form,
    "repeats": repeat,
    "agents": agent,
    "the command line": command,
    "PUT": announcement,
    "a restore": restored,
}


def image(size: int, n: int = 0) -> str:
    return base64.b64encode(b"\xff\xd8\xff" + bytes([n]) * size).decode()


def sized(length: int) -> dict[str, Any]:
    """An input with so many bytes of JSON, most of them images."""
    given = {"prompt": "", "input_image": image(30_000), "input_image_2": image(30_000, 1), "n": 1}
    rest = length - len(json.dumps(given))
    return {**given, "prompt": ("a fox " * rest)[:rest]}


def nested(levels: int) -> dict[str, Any]:
    """Lists in one another, the input itself being the first level."""
    value: Any = 1
    for _ in range(levels - 1):
        value = [value]
    return {"prompt": "a fox", "deep": value}


def counted(count: int) -> dict[str, Any]:
    return {"prompt": "a fox"} | {f"image_{n}": image(60, n) for n in range(count)}


def metadata_of(length: int) -> dict[str, Any]:
    return {"a": "b" * (length - len('{"a": ""}'))}


PLAIN: dict[str, Any] = {"model": MODEL, "input": {"seed": 1, "prompt": "a fox"}}
# What is accepted, what is not any more, and a word of the refusal.
LIMITS: dict[str, tuple[Request, Request, str]] = {
    "bytes": (
        PLAIN | {"input": sized(LIMIT_BYTES)},
        PLAIN | {"input": sized(LIMIT_BYTES + 1)},
        f"{LIMIT_BYTES:,} bytes of JSON, its images included (MAX_INPUT_BYTES)",
    ),
    "depth": (
        PLAIN | {"input": nested(DEPTH_MAX)},
        PLAIN | {"input": nested(DEPTH_MAX + 1)},
        "nested too deeply",
    ),
    "images": (
        PLAIN | {"input": counted(FILES_MAX)},
        PLAIN | {"input": counted(FILES_MAX + 1)},
        f"{FILES_MAX} images and long texts",
    ),
    "metadata": (
        PLAIN | {"metadata": metadata_of(METADATA_MAX_CHARS)},
        PLAIN | {"metadata": metadata_of(METADATA_MAX_CHARS + 1)},
        f"{METADATA_MAX_CHARS} characters",
    ),
    "model's length": (
        PLAIN | {"model": "m" * MODEL_MAX_CHARS},
        PLAIN | {"model": "m" * (MODEL_MAX_CHARS + 1)},
        "",
    ),
    "model's path": (PLAIN, PLAIN | {"model": "flux 2"}, "segments"),
}
NOT_TO_BE_MET = {
    *(("POST /v1", "metadata"), ("agents", "metadata")),  # it has none
    ("POST /v1", "model's path"),  # the path names it
    ("the command line", "bytes"),  # a word of a command is not so long
}


@pytest.mark.parametrize(
    ("door", "limit"), [pair for pair in product(DOORS, LIMITS) if pair not in NOT_TO_BE_MET]
)
def test_each_door_has_the_same_limits(env: Stack, door: str, limit: str) -> None:
    accepted, refused, why = LIMITS[limit]
    assert DOORS[door](env, accepted) == ""
    said = DOORS[door](env, refused)
    assert said and why in said


@pytest.mark.parametrize(
    "door", ["POST /api/jobs", "the form", "repeats", "agents", "the command line"]
)
def test_a_webhook_in_the_input_is_refused(env: Stack, door: str) -> None:
    given = {"prompt": "a fox", "webhook_url": "https://app.example"}
    assert "notify_url" in DOORS[door](env, PLAIN | {"input": given})


def test_a_restore_takes_no_webhook(env: Stack) -> None:
    assert restored_from(env, PLAIN, {"prompt": "a fox"}) == ""
    assert restored_from(env, PLAIN, {"webhook_secret": "s"})


def test_repeats_of_repeats_do_not_grow_beyond_the_limit(env: Stack) -> None:
    caller = env.installation.client("submit")
    job = env.post(PLAIN).json()
    answers = []
    for n in range(4):
        added = {"input": {f"input_image_{n}": image(24_000, n)}}
        answers.append(caller.request("POST", f"/api/jobs/{job['id']}/repeats", json=added))
        job = answers[-1].json() if answers[-1].ok else job
    assert [answer.status_code for answer in answers] == [202, 202, 202, 413]
    assert "MAX_INPUT_BYTES" in answers[-1].text


def test_a_sidecar_that_names_one_object_again_and_again_costs_nothing(env: Stack) -> None:
    """Three hundred references: what they stand for counts, not what they are."""
    one = image(30_000)
    many = {"images": [one] * 300}
    assert "MAX_INPUT_BYTES" in restored(env, PLAIN | {"input": many})
