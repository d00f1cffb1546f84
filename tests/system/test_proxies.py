"""Behind the proxies that there are: their headers, their kept connections, their addresses."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests

from deploy.gunicorn_parser import HEAD_SECONDS
from jobs.store.rate_limiter import WRONG_KEYS_MAX
from jobs.store.redis.keys import WRONG_KEYS_PREFIX
from tests.harness import KEYS, Installation, Stack
from tests.harness.stack import running_stack
from tests.harness.wire import Header, Wire, request
from tests.system.bad_input.target import PROOF, failed, new_id, pending

CLIENT = "198.51.100.7"
STRANGER = "10.0.0.0/8"  # nobody in these tests has such an address
FAMILIES: dict[str, list[Header]] = {
    "nginx": [("X-Real-IP", CLIENT), ("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "https")],
    "ingress-nginx": [
        ("X-Forwarded-For", CLIENT),
        ("X-Forwarded-Host", "keep.example"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Scheme", "https"),
        ("X-Scheme", "https"),
    ],
    "two nginx": [
        ("X-Forwarded-Proto", "https, http"),
        ("X-Forwarded-Host", "a.example, b.example"),
    ],
    "Caddy": [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "keep.example"),
        ("Via", "2.0 Caddy"),
    ],
    "Traefik": [
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Server", "traefik-6d8f"),
    ],
    "Traefik, a socket": [("X-Forwarded-Proto", "wss")],
    "Heroku": [
        ("Connect-Time", "1"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
        ("X-Request-Start", "1"),
        ("Via", "1.1 vegur"),
    ],
    "Cloudflare": [
        ("CF-Visitor", '{"scheme":"https"}'),
        ("CF-Connecting-IP", CLIENT),
        ("X-Forwarded-Proto", "https"),
    ],
    "an ELB": [("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "https")],
    "IIS": [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Protocol", "https"),
        ("Front-End-Https", "on"),
    ],
    "Rails' list": [("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "off")],
    "the other way around": [("X-Forwarded-Ssl", "off"), ("X-Forwarded-Proto", "HTTPS")],
    "twice": [("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")],
    "only the old name": [("X-Forwarded-Protocol", "ssl")],
    "only Ssl": [("X-Forwarded-Ssl", "on"), ("X-Forwarded-Proto", "")],
}
PLAIN: dict[str, list[Header]] = {
    "plain http": [("X-Forwarded-Proto", "http"), ("X-Forwarded-Ssl", "on")],
    "only the standard": [("Forwarded", f"for={CLIENT};proto=https;host=keep.example")],
    "empty": [("X-Forwarded-Proto", ""), ("X-Forwarded-Host", "")],
    "nonsense": [("X-Forwarded-Proto", "gopher://"), ("X-Forwarded-Port", "-1")],
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Web processes: as shipped, for a proxy elsewhere, on IPv6 too, and with few places."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        installation = running.installation
        installation.start("web", FORWARDED_ALLOW_IPS=STRANGER)
        installation.start("web", LISTEN_HOST="::", FORWARDED_ALLOW_IPS="127.0.0.1")
        installation.start("web", KEEP_ALIVE="600", GUNICORN_CMD_ARGS="--worker-connections 20")
        yield running
        assert "Traceback" not in installation.logs("web")


@pytest.fixture(scope="module")
def job_id(stack: Stack) -> str:
    return str(stack.stored(stack.generate())["id"])


def link_scheme(port: int, job_id: str, headers: list[Header]) -> str:
    """The scheme of a media link, as the reader behind a proxy gets it."""
    key: Header = ("x-key", KEYS["read"])
    data = request([key, *headers], method="GET", target=f"/api/jobs/{job_id}")
    with Wire(port) as wire:
        wire.send(data)
        answer = wire.answer()
    assert answer and answer.status == 200, answer
    link: str = json.loads(answer.body)["media"][0]["url"]
    return urlsplit(link).scheme


def accepts_callbacks(port: int, headers: list[Header]) -> bool:
    with Wire(port) as wire:
        wire.send(request([PROOF, *headers], pending(new_id())))
        wire.send(request(headers, method="GET", target="/healthz"))
        answers = [wire.answer(), wire.answer()]
    return [answer and answer.status for answer in answers] == [200, 200]


@pytest.mark.parametrize("headers", FAMILIES.values(), ids=FAMILIES)
def test_the_headers_of_a_trusted_proxy_make_https_links(
    stack: Stack, job_id: str, headers: list[Header]
) -> None:
    trusting, distrusting, dual, _ = stack.installation.ports
    for port in (trusting, dual):
        assert link_scheme(port, job_id, headers) == "https"
    for port in (trusting, distrusting, dual):
        assert accepts_callbacks(port, headers)
    assert link_scheme(distrusting, job_id, headers) == "http"


@pytest.mark.parametrize("headers", PLAIN.values(), ids=PLAIN)
def test_headers_that_name_no_https_make_http_links(
    stack: Stack, job_id: str, headers: list[Header]
) -> None:
    for port in stack.installation.ports[:3]:
        assert link_scheme(port, job_id, headers) == "http"
        assert accepts_callbacks(port, headers)


def test_a_callback_on_a_connection_that_was_idle_for_long_is_answered(stack: Stack) -> None:
    with Wire(stack.installation.ports[0]) as kept, Wire(stack.installation.ports[0]) as unused:
        kept.send(request([PROOF], pending(new_id())))
        first = kept.answer()
        assert first and first.status == 200
        time.sleep(HEAD_SECONDS + 1)
        for wire in (kept, unused):
            wire.send(request([PROOF], pending(new_id())))
            answer = wire.answer()
            assert answer and answer.status == 200


def test_idle_connections_of_strangers_keep_nobody_out(stack: Stack) -> None:
    """The process has 20 places."""
    port = stack.installation.ports[3]
    strangers = [Wire(port) for _ in range(60)]
    try:
        for _ in range(10):
            with Wire(port) as wire:
                wire.send(request([PROOF], failed(new_id())))
                answer = wire.answer()
                assert answer and answer.status == 200
    finally:
        for stranger in strangers:
            stranger.close()


def wrong_keys_from(url: str, address: str) -> set[int]:
    """Each guess is forwarded by a trusted proxy for this address."""

    def guess(n: int) -> int:
        headers = {"x-key": f"guess-{n}", "X-Forwarded-For": address}
        return requests.get(f"{url}/api/jobs", headers=headers, timeout=30).status_code

    with ThreadPoolExecutor(WRONG_KEYS_MAX.requests) as pool:
        return set(pool.map(guess, range(WRONG_KEYS_MAX.requests)))


def test_a_server_on_ipv6_knows_its_proxy_and_counts_clients_apart(stack: Stack) -> None:
    """Listening on `::` it sees the proxy 127.0.0.1 as `::ffff:127.0.0.1`."""
    url = stack.installation.urls[2]
    assert wrong_keys_from(url, CLIENT) == {401}
    assert wrong_keys_from(url, f"::ffff:{CLIENT}") <= {401, 429}
    with stack.installation.redis.client() as redis:
        counted = {name.decode() for name in redis.scan_iter(f"{WRONG_KEYS_PREFIX}*")}
    assert counted == {f"{WRONG_KEYS_PREFIX}{CLIENT}/32"}
    headers = {"x-key": KEYS["read"], "X-Forwarded-For": "198.51.100.8"}
    assert requests.get(f"{url}/api/jobs", headers=headers, timeout=30).ok


def test_a_process_with_kept_connections_stops_in_time(stack: Stack) -> None:
    """A router does not close its connections because the process stops."""
    installation: Installation = stack.installation
    with Wire(installation.ports[3]) as kept:
        kept.send(request(method="GET", target="/healthz"))
        assert kept.answer()
        last = installation.web[3]
        last.terminate()
        assert last.wait(20) == 0
