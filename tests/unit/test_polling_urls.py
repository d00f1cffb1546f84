"""Where BFL is asked about a task: its own host first, then the others of its region."""

import pytest

from jobs.bfl.parsing import polling_urls


def hosts(*urls: str) -> list[str]:
    return [url.removeprefix("https://").partition(".bfl.ai")[0] for url in urls]


@pytest.mark.parametrize(
    ("origin", "region", "found"),
    [
        ("https://api.bfl.ai", None, ["api", "api.eu", "api.us", "api.eu1", "api.us1"]),
        ("https://api.us1.bfl.ai", None, ["api.us1", "api", "api.eu", "api.us", "api.eu1"]),
        ("https://api.eu.bfl.ai", "eu", ["api.eu", "api.eu1"]),
        ("https://api.us1.bfl.ai", "us", ["api.us1", "api.us"]),
        ("https://api.us7.bfl.ai", "us", ["api.us7", "api.us", "api.us1"]),
        (
            "https://gateway.bfl.ai",
            None,
            ["gateway", "api", "api.eu", "api.us", "api.eu1", "api.us1"],
        ),
    ],
)
def test_its_own_host_is_first(origin: str, region: str | None, found: list[str]) -> None:
    assert hosts(*polling_urls(origin, "a", region)) == found


def test_the_sandbox_has_no_regions() -> None:
    assert polling_urls("http://127.0.0.1:9", "a") == ("http://127.0.0.1:9/v1/get_result?id=a",)
