"""Which URLs are followed: BFL's own hosts, in the one spelling every parser agrees on."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from jobs.bfl.hosts import HostPolicy, api_origin
from jobs.domain.errors import UnknownHost, UrlRefused
from jobs.net import urls

BFL = HostPolicy()
SANDBOX = HostPolicy(
    sandboxes=(urls.Origin("http", "127.0.0.1", 9009),), delivery_hosts=("cdn.example.com",)
)
PATH = "/results/8e/3470338ce49379/ab/sample.jpeg"
QUERY = "?se=2026-08-15T19%3A22%3A20Z&sp=r&sv=2026-02-06&sr=b&rsct=image/jpeg&sig=a/b%2Bc%3D"
POLL = "/v1/get_result?id=abc"


@pytest.mark.parametrize(
    "host",
    [
        *("delivery-eu1.bfl.ai", "delivery-us1.bfl.ai", "delivery.eu2.bfl.ai", "delivery.bfl.ai"),
        *("delivery.us4.bfl.ai", "delivery.eu2.bfl.ml", "delivery.us-east-2.bfl.ai"),
        *("delivery.eu.west.1.bfl.ai", "delivery-cdn.eu1.bfl.ai", "deliveryx.bfl.ai"),
        *("delivery.eu-west.bfl.ai", "delivery.a.b.bfl.ai"),
        *(f"bfldelivery{name}.blob.core.windows.net" for name in ("sc", "scus", "prod", "prodeu4")),
    ],
)
def test_a_delivery_host_of_bfl_is_followed_byte_for_byte(host: str) -> None:
    address = BFL.validate_delivery_url(f"https://{host}{PATH}{QUERY}")
    assert address.origin == urls.Origin("https", host, 443)
    assert str(address) == f"https://{host}{PATH}{QUERY}"
    assert (address.path, address.target) == (PATH, PATH + QUERY)
    assert BFL.validate_delivery_url(f"https://{host}:443{PATH}").origin.port == 443


@pytest.mark.parametrize(
    "host",
    [
        *("api.bfl.ai", "api.eu.bfl.ai", "api.us.bfl.ai", "api.eu1.bfl.ai", "api.us1.bfl.ai"),
        *("api.eu2.bfl.ai", "api.eu4.bfl.ai", "api.us7.bfl.ai", "gateway.bfl.ai"),
        *("api.us-east-2.bfl.ai", "api.eu.west.1.bfl.ai", "gateway.eu2.bfl.ai"),
    ],
)
def test_an_api_host_of_bfl_is_asked(host: str) -> None:
    assert str(BFL.validate_polling_url(f"https://{host}{POLL}")) == f"https://{host}{POLL}"
    assert api_origin(f"https://{host}/v1/").host == host


def test_the_sandbox_and_hosts_of_the_operators_are_followed_on_their_own_origins() -> None:
    assert SANDBOX.validate_delivery_url("http://127.0.0.1:9009/a").origin == SANDBOX.sandboxes[0]
    assert (
        SANDBOX.validate_polling_url(f"http://127.0.0.1:9009{POLL}").origin == SANDBOX.sandboxes[0]
    )
    found = SANDBOX.validate_delivery_url("https://cdn.example.com/a")
    assert found.origin.host == "cdn.example.com"
    for origin in ("http://cdn.example.com", "https://cdn.example.com:8443", "https://example.com"):
        with pytest.raises(UrlRefused):
            SANDBOX.validate_delivery_url(f"{origin}/a")
    with pytest.raises(UrlRefused):
        SANDBOX.validate_polling_url(f"https://cdn.example.com{POLL}")
    for other in ("http://127.0.0.1:9010", "http://127.0.0.1", "http://127.0.0.2:9009"):
        with pytest.raises(UrlRefused):
            SANDBOX.validate_delivery_url(f"{other}/a")
    for hidden in ("https://127.0.0.1:9009", "http://localhost:9009", "http://[::1]:9009"):
        with pytest.raises(UrlRefused):
            SANDBOX.validate_delivery_url(f"{hidden}/a")


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1:9009", "http://10.0.0.1:9009", "http://0.0.0.0:9009", "127.0.0.1:9"),
        *("http://example.com", "http://127.0.0.1.example.com", "http://127.1:9009", ""),
        *("http://127.0.0.1:9009/path", "http://a@127.0.0.1:9009", "http://127.0.0.1:99999"),
        *("http://localhost.example.com", "http://[::2]:9", "http://127.0.0.1:0"),
    ],
)
def test_a_sandbox_elsewhere_than_on_loopback_is_refused(url: str) -> None:
    for good in ("http://127.0.0.1:9009", "http://localhost:1/", "http://[::1]:9"):
        assert str(urls.parse_loopback_origin(good)) == good.rstrip("/")
    with pytest.raises(ValueError, match=r"must be|plain form|port"):
        urls.parse_loopback_origin(url)


SIGNED = "/results/sample.jpeg?se=2099-01-01T00%3A00%3A00Z&sig=CANARY"


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
        BFL.validate_delivery_url(f"https://{host}{SIGNED}")
    assert "CANARY" not in str(caught.value)
    allowed = HostPolicy(delivery_hosts=(host,)).validate_delivery_url(f"https://{host}{SIGNED}")
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
        BFL.validate_delivery_url(f"{origin}{SIGNED}")
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
    assert urls.is_host_pattern(pattern)
    assert urls.matches_host_pattern(pattern, host) is fits
    to_anybody = (
        "*",
        "*.com",
        "a.*",
        "a.*.com.*",
        "cdn-*.example.com",
        "*cdn.example.com",
        "",
        "a",
    )
    assert not any(map(urls.is_host_pattern, to_anybody))


EVIL = "evil.example.com"
LABELS = st.text("abcdeliveryfbsuprod0129.-", min_size=1, max_size=30)
HOSTS = st.one_of(
    st.from_regex(r"delivery([.-][a-z0-9]{1,4}){0,2}\.bfl\.(ai|ml)", fullmatch=True),
    st.from_regex(r"bfldelivery[a-z0-9]{0,8}\.blob\.core\.windows\.net", fullmatch=True),
    LABELS.map(lambda label: f"{label}.bfl.ai"),
)
NOISE = st.just("") | st.text("@:/\\?#%[]. \t\n&;=~a0é", max_size=4)
TARGETS = st.from_regex(r"[/?][A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,20}", fullmatch=True)
URLS = st.builds("https://{}{}{}{}".format, NOISE, HOSTS, NOISE, st.just("") | TARGETS | NOISE)


@settings(max_examples=60)
@given(URLS | st.text(max_size=60))
@example(f"https://delivery.bfl.ai//{EVIL}/a")
@example(f"https://delivery.bfl.ai/a@{EVIL}")
@example(f"https://delivery.bfl.ai?@{EVIL}")
@example("https://delivery.bfl.ai")
def test_what_is_accepted_leads_every_parser_to_the_same_host(url: str) -> None:
    try:
        address = BFL.validate_delivery_url(url)
    except UrlRefused:
        return
    for text in (url, str(address)):
        assert urlsplit(text).hostname == address.origin.host
        other = parse_url(text)
        assert (other.host, other.auth, other.fragment) == (address.origin.host, None, None)
        assert (other.scheme, other.port or 443) == ("https", 443)
        assert urlsplit(text).username is None
    assert urls.parse(str(address)) == address
