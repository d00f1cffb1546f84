"""The drop-in's replies hold our links in every place where BFL had a URL, and no URL of BFL."""

import json
from typing import Any

import pytest

from jobs.bfl import compat
from jobs.bfl.parsing import parse_report
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.polling_policy import Timeouts
from jobs.domain.status import Source, Status
from jobs.domain.transitions import transition

NOW, TIMEOUTS = 1_795_255_200.0, Timeouts(callback_grace=60.0, give_up_after=3600.0)
HOSTS = ["delivery-eu1.bfl.ai", "delivery.us4.bfl.ai", "delivery.bfl.ml", "delivery.bfl.ai"]
BARE = [
    *(f"https://{host}/results/ab/sample.jpeg" for host in HOSTS),
    "https://bfldeliveryprodeu4.blob.core.windows.net/results/ab/sample.png",
    "HTTPS://DELIVERY-EU1.BFL.AI/results/x",
    "https://delivery-eu1.bfl.ai",
    "https://api.eu2.bfl.ai/v1/get_result?id=1",
    "https://api.bfl.ai/v1/get_result?id=1",
]
OTHERS = [
    "https://docs.bfl.ai/errors",
    "https://delivery.bfl.ai.example/x",
    "https://example.com/delivery-eu1.bfl.ai/x",
    "https://api.bfl.ai/v1/finetune",
]


def url(n: int) -> str:
    return f"https://delivery-eu1.bfl.ai/results/ab/{n}.jpeg?se=2026-11-21T10%3A10%3A00Z&sig=a{n}"


def reply_of(result: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return a client's reply for a job with this result, and its number of files."""
    message = {"id": "t", "status": "Ready", "result": result}
    job = transition(
        Job.awaited("t", NOW, TIMEOUTS), parse_report(message, "t", Source.POLL), NOW, TIMEOUTS
    )
    media = tuple(
        MediaFile(key=f"{n}.jpg", content_type="image/jpeg", bytes=1, sha256="", role=role)
        for n, role in enumerate(job.delivery.roles)
    )
    stored = job.stored(NOW, media)
    assert stored.status is Status.STORED
    links = [f"https://keep.example/media/{n}" for n in range(len(media))]
    found = compat.poll_response(stored, links)["result"]
    assert found is not None
    return found, len(media)


@pytest.mark.parametrize(
    "result",
    [
        {"sample": url(0)},
        {"sample": url(0), "samples": [url(0), url(1)]},
        {"samples": [url(0), url(1)], "draft_caches": [url(2), url(3)]},
        {"draft_caches": [url(0)], "draft_cache": url(0)},
        {"samples": [{"url": url(0), "n": 1}, {"url": url(1), "n": 2}]},
        {"sample": url(0), "extras": [{"kind": "depth", "file": {"href": url(1)}}]},
        {"sample": url(0), "views": {"left": {"samples": [url(1), url(2)]}}},
    ],
)
def test_each_url_is_replaced_by_our_link_where_it_stands(result: dict[str, Any]) -> None:
    found, count = reply_of(result)
    expected = json.dumps(result)
    for n in range(count):
        expected = expected.replace(url(n), f"https://keep.example/media/{n}")
    text = json.dumps(found)
    assert "bfl.ai" not in text
    for name, value in json.loads(expected).items():
        assert found[name] == value


@pytest.mark.parametrize("bare", BARE)
def test_no_url_of_bfl_is_shown_even_without_its_query(bare: str) -> None:
    result = {
        "sample": url(0),
        "preview": bare,
        "list": [bare, "x", None],
        "nested": {"deep": [{"href": bare}]},
        "prompt": f"like {bare}, but blue",
    }
    found, _ = reply_of(result)
    assert bare not in json.dumps(found)
    assert found["list"] == ["x", None] and "preview" not in found
    assert found["prompt"].startswith("like (URL removed)")
    message = {"status": "Content Moderated", "details": {"Moderation Reasons": [f"at {bare}"]}}
    report = parse_report(message, "t", Source.POLL)
    job = transition(Job.awaited("t", NOW, TIMEOUTS), report, NOW, TIMEOUTS)
    assert compat.poll_response(job, [])["details"] == {"Moderation Reasons": ["at (URL removed)"]}


@pytest.mark.parametrize("other", OTHERS)
def test_other_urls_stay(other: str) -> None:
    found, _ = reply_of({"sample": url(0), "about": other, "prompt": f"see {other}"})
    assert (found["about"], found["prompt"]) == (other, f"see {other}")


@pytest.mark.parametrize(
    ("field", "location"),
    [
        ("input", ["body"]),
        ("input.draft_cache.n", ["body", "draft_cache", "n"]),
        ("webhook_url", ["body", "webhook_url"]),
    ],
)
def test_an_invalid_field_is_named_where_bfl_has_it(field: str, location: list[str]) -> None:
    (error,) = compat.validation_errors([{"field": field, "message": "no"}])
    assert error["loc"] == location
