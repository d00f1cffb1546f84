"""Files of a BFL result: each is found, in order, once, with its role; signatures are stripped."""

from collections.abc import Callable
from json import dumps
from typing import Any

import pytest

from jobs.bfl import parsing, result_files
from jobs.bfl.result_files import expires_at, is_signed_url, strip_signatures
from jobs.domain import media_references
from jobs.domain.bfl_report import URL_LIFE_MAX_SECONDS, Report
from jobs.domain.status import ReportKind
from tests.unit.test_patterns import grows

ID = "b2f6c0de-0000-4000-8000-3a1b5c7d9e0f"


def url(name: str, expiry: str = "2026-08-15T19%3A22%3A20Z") -> str:
    return f"https://delivery.eu2.bfl.ai/results/0a/{name}?se={expiry}&sp=r&sig=a/b%2Bc%3D"


A, B, C, D, E = (url(f"{name}.mp4") for name in "abcde")


def report_of(result: Any, status: str = "Ready") -> Report:
    return parsing.parse_callback(dumps({"id": ID, "status": status, "result": result}).encode())


SAMPLES_AND_DRAFTS = {
    "singular": ({"sample": A, "draft_cache": C}, [A], [C]),
    "lists": ({"samples": [A, B], "draft_caches": [C, D]}, [A, B], [C, D]),
    "both": (
        {"sample": A, "samples": [A, B], "draft_cache": C, "draft_caches": [C, D]},
        [A, B],
        [C, D],
    ),
    "drafts first": ({"draft_caches": [C, D], "samples": [A, B]}, [A, B], [C, D]),
    "drafts alone": ({"draft_caches": [C, D]}, [], [C, D]),
    "one draft alone": ({"draft_cache": C}, [], [C]),
    "null beside": ({"sample": None, "samples": [None, A], "draft_caches": None}, [A], []),
    "objects": ({"samples": [{"url": A, "seed": 1}, {"url": B}], "sample": A}, [A, B], []),
    "an object": ({"sample": {"url": A}, "draft_cache": {"url": C}}, [A], [C]),
    "strings and objects": ({"samples": [A, {"url": B}, {"seed": 3}, 7]}, [A, B], []),
    "twice": ({"samples": [A, A, B, A]}, [A, B], []),
    "in both roles": ({"samples": [A], "draft_caches": [A, C]}, [A], [C]),
    "a list in the singular": ({"sample": [A, B]}, [A, B], []),
    "a string in the plural": ({"samples": A}, [A], []),
    "a nested list": ({"samples": [[A]]}, [A], []),
    "an object in a nested list": ({"samples": [[{"url": A}]]}, [A], []),
}


@pytest.mark.parametrize("shape", SAMPLES_AND_DRAFTS)
def test_samples_and_drafts_are_found_in_every_shape(shape: str) -> None:
    result, samples, drafts = SAMPLES_AND_DRAFTS[shape]
    report = report_of(result)
    assert report.kind is ReportKind.READY
    assert list(report.urls) == samples + drafts
    assert list(report.roles) == ["sample"] * len(samples) + ["draft_cache"] * len(drafts)


@pytest.mark.parametrize(
    "place",
    [
        {"video": E},
        {"extras": [{"deep": {"er": [E]}}]},
        {"samples": [{"url": A, "mask": E}]},
        {"draft_cache": {"url": A, "href": E}},
        {"preview": {"url": E}},
    ],
    ids=str,
)
def test_a_signed_url_anywhere_else_is_kept_with_the_role_other(place: dict[str, Any]) -> None:
    report = report_of({"sample": A, **place})
    assert dict(zip(report.urls, report.roles, strict=True)) == {A: "sample", E: "other"}
    alone = report_of({"videos": [{"href": E}]})
    assert (alone.kind, alone.urls, alone.roles) == (ReportKind.READY, (E,), ("other",))


@pytest.mark.parametrize(
    "text",
    [
        f"a cat in front of {E}",
        "https://example.com/a.png",
        "https://example.com/?design=1&signal=2",
        "sig=abc",
        E.replace("https", "ftp"),
        f"{E}\n",
    ],
)
def test_other_text_is_not_taken_for_a_file(text: str) -> None:
    assert report_of({"sample": A, "prompt": text}).urls == (A,)


def test_lives_and_numbers_of_files_are_bounded() -> None:
    report = report_of({"sample": url("a.png", "9999-12-31T23%3A59%3A59Z")})
    assert report.expires_at(1_000.0) == 1_000.0 + URL_LIFE_MAX_SECONDS
    many = [url(f"{n}.png") for n in range(result_files.FILES_MAX + 3)]
    report = report_of({"samples": many})
    assert (list(report.urls), report.left_out) == (many[: result_files.FILES_MAX], 3)
    callers_own = url("mine.png", "2020-01-01T00%3A00%3A00Z")
    assert (
        report_of({"sample": A, "input_image": callers_own}).stated_expiry
        == report_of({"sample": A}).stated_expiry
    )


def test_a_result_that_is_cut_keeps_its_media_fields() -> None:
    media = {"sample": A, "samples": [{"url": A, "seed": 1}]}
    shown = report_of(media | {"prompt": "a" * result_files.RESULT_MAX_BYTES}).result
    marked = {"sample": "media:0", "samples": [{"url": "media:0", "seed": 1}]}
    assert shown == marked | {"truncated": True}
    long = {"samples": [{"url": A, "caption": "a" * result_files.RESULT_MAX_BYTES}]}
    assert report_of(long).result == {"truncated": True}
    found = report_of({"sample": A, "first": C, "second": D}).result
    moved = media_references.drop_references(found, [1])  # when a file is left out
    assert moved == {"sample": "media:0", "first": None, "second": "media:1"}


def test_the_status_api_shows_a_result_without_plain_media_fields() -> None:
    result = {"sample": A, "samples": [A, B], "draft_caches": [C], "seed": 42, "mask": E}
    shown = result_files.without_media_fields(report_of(result).result)
    assert shown == {"seed": 42, "mask": "media:3"}
    facts = {"samples": [{"url": A, "seed": 1}, {"url": B, "seed": 2}]}
    shown = result_files.without_media_fields(report_of(facts).result)
    assert shown == {"samples": [{"url": "media:0", "seed": 1}, {"url": "media:1", "seed": 2}]}


URL = "https://delivery.eu2.bfl.ai/a.png?se=2026-08-15T19%3A22%3A20Z&sig=CANARY%2Fx"
BARE = "https://delivery.eu2.bfl.ai/a.png"


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        (URL, BARE),
        (f"see {URL} for more", f"see {BARE} for more"),
        (f"<{URL}>", f"<{BARE}"),
        (URL.replace("sig", "SIG"), BARE),
        ("sig=CANARY", ""),
        ("a&sig=CANARY&b=1", "a&&b=1"),
        ("https://example.com/?q=1", "https://example.com/?q=1"),
        ("plain", "plain"),
        (f"{URL}\t{URL}", f"{BARE}\t{BARE}"),
    ],
)
def test_a_signature_is_stripped(text: str, stripped: str) -> None:
    assert strip_signatures(text) == stripped


WORST = ["http://?", "https://", "sig=", "?sig=", "http://?sig=", "?", "&se=", "= ", "a", "://?&"]


@pytest.mark.parametrize("prefix", WORST)
@pytest.mark.parametrize("function", [strip_signatures, is_signed_url, expires_at])
def test_the_time_for_foreign_text_grows_with_its_length_only(
    function: Callable[[str], object], prefix: str
) -> None:
    assert not grows(lambda size: function("=" + prefix * (size // len(prefix))))
