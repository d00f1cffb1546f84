"""HTTP towards BFL: vetted addresses, one byte-exact request, and an end at the deadline."""

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from jobs.domain.errors import TransferFailed, UrlRefused
from jobs.net import http_client, watchdog
from jobs.net.ip import is_public
from jobs.net.urls import Origin, ParsedUrl
from tests.harness.dns import FakeResolver
from tests.harness.raw_server import RawServer

CUT_WITHIN_SECONDS = 10.0
PUBLIC = "93.184.215.14"


# Inside an IPv6 address: this machine, metadata services of clouds, and private networks.
NOT_PUBLIC = (
    *("127.0.0.1", "169.254.169.254", "168.63.129.16", "100.100.100.200", "10.0.0.1"),
    *("172.16.0.1", "192.168.0.1", "100.64.0.1", "224.0.0.1", "255.255.255.255"),
)


@pytest.mark.parametrize(
    "address",
    [
        # This network, loopback, private, link-local, shared (CGNAT).
        *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1"),  # noqa: S104
        *("172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "100.127.255.255"),
        # Special uses, multicast, reserved, broadcast, and Azure's platform.
        *("192.0.0.1", "192.0.0.9", "192.0.0.10", "192.0.0.255", "192.31.196.1"),
        *("192.52.193.1", "192.175.48.1", "192.0.2.1"),
        *("198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
        # The same for IPv6.
        *("::", "::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1"),
        *("ff02::1", "ff0e::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1"),
        # What leads back to IPv4: mapped, compatible, NAT64, 6to4, Teredo.
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:168.63.129.16", "::127.0.0.1"),
        *(f"64:ff9b::{address}" for address in NOT_PUBLIC),
        *(f"64:ff9b:1::{address}" for address in NOT_PUBLIC),
        *(f"64:ff9b:1:fffe::{address}" for address in NOT_PUBLIC),
        *(f"::ffff:{address}" for address in NOT_PUBLIC),
        # The metadata address with a prefix of 48, 56 and 64 bits, also before another address.
        *("64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:a9fe:a9:fe00:808:808"),
        *("64:ff9b:1:a9:fe:a9fe::", "64:ff9b:1:0:a9:fea9:fe00:0", "64:ff9b:1:7f00:0:100::"),
        *("64:ff9b::", "64:ff9b:1::", "64:ff9b:1::1", "64:ff9b:2::808:808", "64:ff9b::1:808:808"),
        *("2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:a83f:8110::808:808", "2002:a00:1::1"),
        *(
            "::8.8.8.8",
            "::ffff:0:808:808",
            "2001::1",
            "2001:0:7f00:1::1",
            "2001:1::1",
            "2001:4:112::1",
        ),
        *("2001:20::1", "2001:3::1", "2620:4f:8000::1", "4000::1", "1::1", "::ffff:192.0.0.9"),
    ],
)
def test_only_an_address_of_the_open_internet_is_public(address: str) -> None:
    translated = (
        *("64:ff9b::808:808", "64:ff9b::8.8.8.8", "64:FF9B:0:0:0:0:808:808", "2002:808:808::1"),
        *("64:ff9b:1::808:808", "64:ff9b:1:fffe::808:808", "64:ff9b:1:808:8:800::"),
    )
    plain = ("8.8.8.8", "20.60.1.1", "2606:4700::1111", "2a01:111::1", "::ffff:8.8.8.8")
    assert not is_public(address) and all(map(is_public, translated + plain))


def refusal(session: requests.Session, origin: Origin) -> Exception:
    """The error with which a request for this origin ends."""
    with (
        pytest.raises((UrlRefused, TransferFailed)) as caught,
        http_client.send_request(session, ParsedUrl(origin, "/"), seconds=2),
    ):
        pass
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"])
def test_a_name_of_a_private_address_is_not_connected_to(server: RawServer, host: str) -> None:
    with http_client.create_session() as strict:
        error = refusal(strict, Origin("https", host, server.port))
        for nobody in ("nobody.invalid", "a" * 64 + ".invalid"):
            assert isinstance(refusal(strict, Origin("https", nobody, 443)), TransferFailed)
    assert isinstance(error, UrlRefused) and not server.heads


def test_a_name_is_not_resolved_again_after_it_was_vetted(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = FakeResolver("localhost", ["127.0.0.1"], ["192.0.2.1"])
    monkeypatch.setattr(socket, "getaddrinfo", names)
    origin = Origin("http", "localhost", server.port)
    with (
        http_client.create_session(origin) as session,
        http_client.send_request(session, ParsedUrl(origin, "/"), seconds=2) as response,
    ):
        assert response.status_code == 200
    assert names.asked == 1
    assert b"Host: localhost:%d\r\n" % server.port in server.heads[0]


@pytest.mark.parametrize("addresses", [[PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC]])
def test_one_bad_address_is_enough(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    tried: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", FakeResolver("delivery.bfl.ai", addresses))
    monkeypatch.setattr(socket, "create_connection", lambda where, *_: tried.append(where))
    with http_client.create_session() as strict:
        error = refusal(strict, Origin("https", "delivery.bfl.ai", 443))
    assert isinstance(error, UrlRefused) and tried == []


def test_plain_http_reaches_only_the_sandbox_and_its_name_only_this_machine(
    server: RawServer, session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.get(session) == b"ok"
    with http_client.create_session() as strict, pytest.raises(TransferFailed):
        server.get(strict)
    assert len(server.heads) == 1
    monkeypatch.setattr(socket, "getaddrinfo", FakeResolver("localhost", [PUBLIC]))
    origin = Origin("http", "localhost", server.port)
    with http_client.create_session(origin) as other:
        assert isinstance(refusal(other, origin), UrlRefused)


@pytest.mark.parametrize(
    "target",
    [
        "/a?se=2026-08-15T19%3A22%3A20Z&rsct=image/jpeg&sig=a/b%2Bc%3D",
        "/a?sig=%2b%2F&x=%7e~!$'()*,;:@",
        "/%7Ea/%41?b=%62",
        "/a%2Fb?c=d?e",
        "/?a",
        "/a//b",
        "//a/b?c",
        "/a?",
    ],
)
def test_the_query_goes_over_the_wire_byte_for_byte(
    server: RawServer, session: requests.Session, target: str
) -> None:
    server.get(session, target)
    assert server.heads[0].splitlines()[0] == f"GET {target} HTTP/1.1".encode()


def test_a_request_says_no_more_than_it_must(server: RawServer, session: requests.Session) -> None:
    server.get(session)
    names = {line.partition(b":")[0].lower() for line in server.heads[0].splitlines()[1:-1]}
    assert names <= {b"host", b"user-agent", b"accept-encoding", b"connection"}
    assert b"Accept-Encoding: identity\r\n" in server.heads[0]
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: canary=1; Path=/\r\nContent-Length: 2\r\n\r\nok"
    server.answer = lambda peer: peer.sendall(head)
    server.get(session)
    server.get(session)
    assert len(server.heads) == 3 and b"ookie" not in server.heads[2], "none is sent back"


def test_neither_proxy_nor_netrc_of_the_environment_is_used(
    server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.1)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        with http_client.create_session(server.origin) as session:
            assert server.get(session) == b"ok"
        with pytest.raises(TimeoutError):
            proxy.accept()
    assert b"uthorization" not in server.heads[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_returned_and_not_followed(
    server: RawServer, session: requests.Session, status: int
) -> None:
    elsewhere = b"HTTP/1.1 %d X\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n" % status
    server.answer = lambda peer: peer.sendall(elsewhere)
    with http_client.send_request(
        session, server.address(), seconds=2, headers={"x-key": "k"}
    ) as response:
        assert response.status_code == status
    assert len(server.heads) == 1


def cut_short(server: RawServer, session: requests.Session, seconds: float) -> float:
    """How long it took until the transfer failed."""
    began = time.monotonic()
    with pytest.raises(TransferFailed, match="took too long"):
        server.get(session, seconds=seconds)
    return time.monotonic() - began


@pytest.mark.parametrize("seconds", [0.3, 0.0])
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"X: ", b"y"),
        (b"", b"X: y\r\n"),
        (b"Content-Length: 1000000\r\n\r\n", b"x"),
        (b"Connection: close\r\n\r\n", b"x"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["header", "headers", "length", "no length", "chunked"],
)
def test_a_dripped_answer_is_cut_at_the_deadline(
    server: RawServer, session: requests.Session, start: bytes, piece: bytes, seconds: float
) -> None:
    server.answer = lambda peer: server.drip(peer, b"HTTP/1.1 200 OK\r\n" + start, piece)
    assert seconds <= cut_short(server, session, seconds) < CUT_WITHIN_SECONDS


def test_silence_is_cut_off_and_another_thread_can_do_it(
    server: RawServer, session: requests.Session
) -> None:
    server.answer = server.stall
    assert cut_short(server, session, 0.3) < CUT_WITHIN_SECONDS
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    server.answer = lambda peer: server.drip(peer, start, b"x")
    own = threading.get_ident()
    threading.Timer(0.3, watchdog.abort_transfer, [own]).start()
    began = time.monotonic()
    with pytest.raises(TransferFailed):
        server.get(session, seconds=5)
    assert time.monotonic() - began < CUT_WITHIN_SECONDS


def test_a_failure_does_not_name_the_url(server: RawServer, session: requests.Session) -> None:
    server.answer = lambda peer: peer.sendall(b"garbage\r\n\r\n")
    with pytest.raises(TransferFailed) as caught:
        server.get(session, "/a?sig=canary")
    assert "canary" not in str(caught.value) and str(server.port) not in str(caught.value)
    assert caught.value.__suppress_context__
