"""Models that refuse a webhook as an unknown field: FLUX 3, as BFL has it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.bfl import submissions as bfl_submissions
from jobs.status import Status
from tests.harness import RedisServer
from tests.harness.floor import one_turn
from tests.sandbox import Sandbox
from tests.system.submitting.bench import KEY, Bench, built

STRICT = ["flux-3-image", "flux-3-video", "flux-tools/video-edit-v1"]
PUBLIC = "https://keep.example"


@pytest.fixture
def bench(redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox) -> Iterator[Bench]:
    here = {
        "BFL_SANDBOX_URL": sandbox.url,
        "BFL_API_KEY": KEY,
        "PUBLIC_URL": PUBLIC,
        "MAX_ACTIVE": "9",
    }
    wired = built(redis_server, tmp_path, **here)
    yield Bench(wired, sandbox)
    wired.redis.close()


def asked(**fields: Any) -> bytes:
    return json.dumps({"prompt": "a", "sandbox": {"seconds": 0}, **fields}).encode()


def submit(bench: Bench, job_id: str, model: str, **fields: Any) -> list[dict[str, Any]]:
    """What BFL was sent for this job."""
    before = bench.posts()
    bench.post(job_id, model, asked(**fields))
    one_turn(bench.wired)
    seen = [request for request in bench.box.requests if request.method == "POST"]
    return [json.loads(request.body) for request in seen[before:]]


@pytest.mark.parametrize("model", STRICT)
def test_a_strict_model_is_submitted_to_once_more_without_a_webhook(
    bench: Bench, model: str
) -> None:
    first, second = submit(bench, "a", model)
    assert set(first) - set(second) == {"webhook_url", "webhook_secret"}
    job, now = bench.job("a"), bench.wired.store.now()
    assert job.status is Status.SUBMITTED and job.task_id == bench.box.tasks()[0].id
    assert (
        job.check.next_check_at
        and job.check.next_check_at < now + bench.wired.settings.timeouts.grace(None) / 2
    ), "polled"


def test_a_strict_model_is_remembered_for_a_day(bench: Bench) -> None:
    submit(bench, "a", "flux-3-image")
    (only,) = submit(bench, "b", "flux-3-image")
    assert "webhook_url" not in only and bench.job("b").task_id
    ttl = bench.redis.ttl("fluxkeep:strict_model:flux-3-image")
    assert 86_000 < ttl <= 86_400
    bench.redis.delete("fluxkeep:strict_model:flux-3-image")
    assert len(submit(bench, "c", "flux-3-image")) == 2


def test_other_models_keep_their_webhook(bench: Bench) -> None:
    submit(bench, "a", "flux-3-image")
    (sent,) = submit(bench, "b", "flux-2-pro")
    assert sent["webhook_url"].startswith(f"{PUBLIC}/webhooks/bfl/") and sent["webhook_secret"]


@pytest.mark.parametrize("fields", [{"seed": 7}, {"width": 64, "height": 64}, {"whatever": None}])
def test_a_422_about_the_callers_own_field_is_the_callers(
    bench: Bench, fields: dict[str, Any]
) -> None:
    sent = submit(bench, "a", "flux-3-image", **fields)
    job = bench.job("a")
    assert job.status is Status.FAILED and job.error and job.error.code == "invalid_input"
    assert len(sent) == 1 and not bench.box.tasks()
    said = json.dumps(job.error.said)
    assert all(f'"{name}"' in said for name in fields)
    assert "webhook" not in said + job.error.message, "only its own mistakes are told"


def test_a_refusal_never_repeats_the_secret_of_our_webhook(bench: Bench) -> None:
    submit(bench, "a", "flux-3-image", seed=7)
    assert bench.wired.tokens.secret("a") not in repr(bench.job("a"))
    body = {"prompt": 5, "webhook_secret": "canary"}
    missing = {"loc": ["body", "width"], "msg": "Field required", "input": body}
    failure = bfl_submissions.parse_rejection(422, json.dumps({"detail": [missing]}).encode())
    assert "canary" not in repr(failure) and "width" in repr(failure.said)


def test_the_rest_of_an_input_reaches_a_strict_model_as_it_was_meant(bench: Bench) -> None:
    fields = {"aspect_ratio": "16:9", "images": ["x"], "resolution": "2k"}
    *_, sent = submit(bench, "a", "flux-3-image", **fields)
    assert sent == json.loads(asked(**fields))


OURS = {"loc": ["body", "webhook_url"], "msg": "Extra inputs are not permitted"}
THEIRS = {"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}


@pytest.mark.parametrize(
    ("detail", "only_ours"),
    [
        ([OURS], True),
        ([OURS, {"loc": ["body", "webhook_secret"]}], True),
        ([{"loc": ["webhook_url"]}], True),
        ([{"loc": "body.webhook_url"}], True),
        ([{"loc": ["body", "flux-3-image", "webhook_secret"]}], True),
        ({"loc": ["body", "webhook_url"]}, True),
        ([OURS, THEIRS], False),
        ([THEIRS], False),
        ([], False),
        ([{}], False),
        ([OURS, "and more"], False),
        ("webhook_url is not permitted", False),
        (None, False),
        ([{"loc": ["body", "webhook_url", 0]}], True),
        ([{"loc": [0, None]}], False),
        ([{"loc": ["body", "webhook_url", "host"]}], False),
    ],
)
def test_only_a_complaint_about_nothing_but_the_webhook_is_ours(
    detail: Any, *, only_ours: bool
) -> None:
    assert bfl_submissions.is_webhook_rejected(json.dumps({"detail": detail}).encode()) is only_ours


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"{", b'{"detail": 1e999}'])
def test_an_answer_that_is_no_object_is_no_complaint_about_the_webhook(body: bytes) -> None:
    assert not bfl_submissions.is_webhook_rejected(body)
