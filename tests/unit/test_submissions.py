"""Submissions: which paths generate, and whose fault a refusal is."""

import json
from typing import Any

import pytest

from jobs.bfl import submissions as bfl_submissions

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
        ([{"loc": ["body", "webhook_url", "url"]}], True),
        ([{"loc": "body.webhook_url.url"}], True),
        ([{"loc": ["body", "my_webhook_url"]}], False),
        *((body, False) for body in (b"", b"null", b"[]", b'"x"', b"{", b'{"detail": 1e999}')),
    ],
)
def test_only_a_complaint_about_nothing_but_the_webhook_is_ours(
    detail: Any, *, only_ours: bool
) -> None:
    body = detail if isinstance(detail, bytes) else json.dumps({"detail": detail}).encode()
    assert bfl_submissions.is_webhook_rejected(body) is only_ours


def test_a_refusal_is_explained_in_the_words_of_its_details() -> None:
    answer = {"status": "Error", "details": {"error": "the clip is longer than 15 s"}}
    failure = bfl_submissions.parse_rejection(422, json.dumps(answer).encode())
    assert failure.message == "the clip is longer than 15 s"
    for model in ("finetuned", "my-finetune", "flux-pro-1.1-ultra-finetuned"):
        assert bfl_submissions.is_generation(model), "it only sounds like another path"
