"""Where a job's end may be told: what each setting opens, and what stays shut whatever is set."""

from typing import Any

import pytest

from jobs.bfl.hosts import HostPolicy
from jobs.domain.errors import TransferFailed, UrlRefused
from jobs.net import http_client
from jobs.net.urls import AddressScope, NotificationEndpoint, Origin, ParsedUrl, parse
from tests.harness.dns import FakeResolver
from tests.harness.raw_server import RawServer

ANYBODY = HostPolicy(notify_hosts=("*",))
NAMED = HostPolicy(notify_hosts=("app.internal", "10.1.2.3", "[::1]"))
BESIDE_A_SANDBOX = HostPolicy(sandboxes=(Origin("http", "127.0.0.1", 9009),), notify_hosts=("*",))
METADATA = [
    *("169.254.169.254", "fe80::1", "168.63.129.16", "0.0.0.0", "224.0.0.1"),  # noqa: S104
    *("100.100.100.200", "fd00:ec2::254", "fd20:ce::254", "fd00:42::42", "192.0.0.192"),
]


@pytest.mark.parametrize(
    "host", ["app.example", "app.example:8443", "8.8.8.8", "[2606:4700::1111]", "localhost.example"]
)
def test_any_https_host_may_be_notified_at_a_public_address(host: str) -> None:
    url = f"https://{host}/told?a=b"
    assert ANYBODY.notify_url_endpoint(url) == NotificationEndpoint(parse(url), AddressScope.PUBLIC)


@pytest.mark.parametrize("host", ["app.internal", "10.1.2.3", "[::1]"])
def test_a_host_that_the_operator_named_may_be_a_private_one(host: str) -> None:
    assert NAMED.notify_url_endpoint(f"https://{host}/x").scope is AddressScope.PUBLIC_OR_PRIVATE
    assert NAMED.notify_url_endpoint(f"http://{host}:8080/x").scope is AddressScope.PRIVATE


@pytest.mark.parametrize(
    "url",
    [
        *("http://app.example/", "http://127.0.0.1/", "http://10.0.0.1/", "ftp://app.example/"),
        *("http://169.254.169.254/latest/meta-data/", "https://user:password@app.example/"),
        *("https://app.example\\@evil.example/", "https://app.example#@evil.example/"),
        *("https://APP.example/", "https:///told", "//app.example/", "https://app.example/../x"),
        *("https://app.example:99999/", "javascript:alert(1)", ""),
    ],
)
def test_what_is_no_plain_https_url_is_refused_wherever_it_leads(url: str) -> None:
    for host_policy in (ANYBODY, NAMED):
        with pytest.raises(UrlRefused):
            host_policy.notify_url_endpoint(url)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[fd00::1]", "[::ffff:127.0.0.1]"),
        *("localhost", "app.localhost", "localhost.", "127.1", "2130706433", "0.0.0.0"),  # noqa: S104
    ],
)
def test_a_host_that_says_itself_that_it_is_inside_is_refused_at_once(host: str) -> None:
    for host_policy in (ANYBODY, BESIDE_A_SANDBOX):
        with pytest.raises(UrlRefused, match="not a public one"):
            host_policy.notify_url_endpoint(f"https://{host}/told")
        with pytest.raises(UrlRefused, match="not a public one"):
            host_policy.client_webhook_endpoint(f"https://{host}:8443/told")


@pytest.mark.parametrize(
    "host", ["app.example", "app.internal.evil.example", "xapp.internal", "10.1.2.4", "127.0.0.1"]
)
def test_with_named_hosts_no_other_is_notified(host: str) -> None:
    for scheme in ("http", "https"):
        with pytest.raises(UrlRefused, match="NOTIFY_HOSTS"):
            NAMED.notify_url_endpoint(f"{scheme}://{host}/")


def test_plain_http_on_this_machine_needs_a_sandbox() -> None:
    url = "http://127.0.0.1:8080/told"
    assert BESIDE_A_SANDBOX.notify_url_endpoint(url).scope is AddressScope.LOOPBACK
    with pytest.raises(UrlRefused):
        BESIDE_A_SANDBOX.notify_url_endpoint("http://10.0.0.1/")
    with pytest.raises(UrlRefused):
        BESIDE_A_SANDBOX._replace(notify_hosts=("app.example",)).notify_url_endpoint(url)


def test_without_a_secret_no_target_is_notified() -> None:
    host_policy = HostPolicy(notify_urls={"one": parse("https://owner.example/")})
    with pytest.raises(UrlRefused, match="NOTIFY_SECRET"):
        host_policy.notify_url_endpoint("https://app.example/")
    with pytest.raises(UrlRefused):
        host_policy.operator_endpoint("one")


def test_a_chat_service_needs_no_secret_and_a_removed_url_is_not_called() -> None:
    slack, own = parse("https://hooks.slack.com/services/a"), parse("https://owner.example/")
    without_secret = HostPolicy(notify_urls={"one": slack})
    assert without_secret.operator_endpoint("one").url == slack
    for url in map(parse, ("http://10.0.0.1/x", "https://owner.example/", "http://web:80/")):
        taken = ANYBODY._replace(notify_urls={"one": url}).operator_endpoint("one")
        assert taken == NotificationEndpoint(url, AddressScope.PUBLIC_OR_PRIVATE), "as it is"
    both = ANYBODY._replace(notify_urls={"two": own, "one": slack})
    assert both.operator_endpoint("one").url == slack
    for host_policy, digest in ((both, "removed"), (HostPolicy(), ""), (HostPolicy(), "one")):
        with pytest.raises(UrlRefused, match="NOTIFY_URL does not name"):
            host_policy.operator_endpoint(digest)


def reached(recipient: NotificationEndpoint) -> int:
    with (
        http_client.create_session(recipient.url.origin, scope=recipient.scope) as session,
        http_client.send_request(session, recipient.url, seconds=2, body=b"{}") as response,
    ):
        return int(response.status_code)


def at(server: RawServer, host: str = "app.internal", scheme: str = "http") -> ParsedUrl:
    return ParsedUrl(Origin(scheme, host, server.port), "/told")


@pytest.mark.parametrize(
    "reach", [AddressScope.PRIVATE, AddressScope.PUBLIC_OR_PRIVATE, AddressScope.LOOPBACK]
)
def test_a_named_host_is_connected_to_at_its_vetted_address(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, reach: AddressScope
) -> None:
    names = FakeResolver("app.internal", ["127.0.0.1"], ["192.0.2.1"])
    monkeypatch.setattr("socket.getaddrinfo", names)
    assert reached(NotificationEndpoint(at(server), reach)) == 200
    assert names.asked == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("reach", AddressScope)
@pytest.mark.parametrize("bad", METADATA)
def test_no_setting_opens_what_is_neither_public_nor_private(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, bad: str, reach: AddressScope, scheme: str
) -> None:
    for addresses in ([bad], ["127.0.0.1", bad], [bad, "127.0.0.1"]):
        monkeypatch.setattr("socket.getaddrinfo", FakeResolver("app.internal", addresses))
        with pytest.raises(UrlRefused):
            reached(NotificationEndpoint(at(server, scheme=scheme), reach))
    assert not server.heads


@pytest.mark.parametrize(
    ("host_policy", "origin", "address"),
    [
        *(
            (ANYBODY, "https://app.example", one)
            for one in ("10.0.0.1", "127.0.0.1", "192.168.1.1")
        ),
        *((ANYBODY, "https://app.example", one) for one in ("fd00::1", "100.64.0.1")),
        (NAMED, "http://app.internal", "93.184.215.14"),  # plain HTTP stays inside
    ],
)
def test_a_url_reaches_no_address_beyond_its_scope(
    server: RawServer, monkeypatch: Any, host_policy: HostPolicy, origin: str, address: str
) -> None:
    name = origin.rpartition("/")[2]
    monkeypatch.setattr("socket.getaddrinfo", FakeResolver(name, [address]))
    with pytest.raises(UrlRefused):
        reached(host_policy.notify_url_endpoint(f"{origin}:{server.port}/told"))


def test_trust_in_one_origin_is_no_trust_in_its_other_ports(server: RawServer) -> None:
    other = ParsedUrl(Origin("http", "127.0.0.1", 1), "/")
    recipient = NotificationEndpoint(other, AddressScope.PUBLIC_OR_PRIVATE)
    with (
        http_client.create_session(recipient.url.origin, scope=recipient.scope) as session,
        pytest.raises(TransferFailed),
        http_client.send_request(session, at(server, "127.0.0.1"), seconds=2),
    ):
        pass
    assert not server.heads


def test_only_a_few_addresses_of_a_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []

    def silent(where: Any, *_: Any) -> None:
        tried.append(where)
        raise TimeoutError

    monkeypatch.setattr("socket.getaddrinfo", FakeResolver("app.example", ["93.184.215.14"] * 50))
    monkeypatch.setattr("socket.create_connection", silent)
    with pytest.raises(TransferFailed):
        reached(ANYBODY.notify_url_endpoint("https://app.example/"))
    assert len(tried) == http_client.ADDRESSES_TRIED_MAX
