"""Hosts of delivery URLs: allowed, allowed by a setting, or never allowed."""

import pytest

from jobs.bfl.hosts import HostPolicy
from jobs.errors import UnknownHost, UrlRefused
from jobs.net.urls import is_host_pattern, matches_host_pattern

PATH = "/results/sample.jpeg?se=2099-01-01T00%3A00%3A00Z&sig=CANARY"


@pytest.mark.parametrize(
    "host",
    [
        "cdn.example.com",
        "delivery.bfl.ai.evil.test",
        "bfldeliveryprodeu31337.blob.core.windows.net",
        "bfldelivery.blob.core.windows.net",
        "xn--bcher-kva.example",
        "api.bfl.ai",
        "d1234.cloudfront.net",
    ],
)
def test_an_unknown_public_host_may_be_allowed_later(host: str) -> None:
    with pytest.raises(UnknownHost, match=f"the delivery host {host} is not known") as caught:
        HostPolicy().validate_delivery_url(f"https://{host}{PATH}")
    assert "CANARY" not in str(caught.value)
    allowed = HostPolicy(delivery_hosts=(host,)).validate_delivery_url(f"https://{host}{PATH}")
    assert allowed.origin.host == host


@pytest.mark.parametrize(
    "origin",
    [
        *("http://cdn.example.com", "https://cdn.example.com:8443", "https://a@cdn.example.com"),
        *("https://127.0.0.1", "https://127.1", "https://2130706433", "https://0x7f000001"),
        *("https://0x7f.0.0.1", "https://0177.0.0.0x1", "https://[::1]", "https://10.0.0.0.1"),
        *("https://localhost", "https://delivery.bfl.ai.localhost", "https://nas.local"),
        *("https://metadata.google.internal", "https://cdn.example.com.", "https://host"),
        *("https://-a.example.com", "https://a-.example.com", "https://a..b.com", "ftp://a.b"),
    ],
)
def test_what_can_never_be_a_delivery_url_is_refused_for_good(origin: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        HostPolicy().validate_delivery_url(f"{origin}{PATH}")
    assert type(caught.value) is UrlRefused


@pytest.mark.parametrize(
    ("pattern", "host", "fits"),
    [
        ("*.cdn.example.com", "a.cdn.example.com", True),
        ("*.cdn.example.com", "cdn.example.com", False),
        ("*.cdn.example.com", "a.b.cdn.example.com", False),
        ("*.*.example.com", "a.b.example.com", True),
        ("media.*.example.com", "media.eu.example.com", True),
        ("media.*.example.com", "media.example.com", False),
        ("*.example.com", "a.example.com.evil.test", False),
        ("*.example.com", "aexample.com", False),
        ("cdn.example.com", "cdn.example.com", True),
    ],
)
def test_a_star_stands_for_one_whole_label(pattern: str, host: str, fits: bool) -> None:
    assert is_host_pattern(pattern)
    assert matches_host_pattern(pattern, host) is fits


@pytest.mark.parametrize(
    "pattern", ["*", "*.com", "a.*", "a.*.com.*", "cdn-*.example.com", "*cdn.example.com", "", "a"]
)
def test_a_star_that_opens_a_domain_to_anybody_is_refused(pattern: str) -> None:
    assert not is_host_pattern(pattern)
