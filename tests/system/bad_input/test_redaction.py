"""Planted secrets appear in no log, no RQ key and no response.

`check` looks for them in logs and RQ keys after every fault as well.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from jobs.store.codec import decode
from tests.harness import DEFAULTS, KEYS, WEBHOOK_SECRET, assert_invariants
from tests.harness.wire import Answer, Header, chunked, exchange, request
from tests.system.bad_input.target import (
    PROOF,
    SECRET_HEADER,
    SIGNATURE_HEADER,
    TargetServer,
    failed,
    new_id,
    pending,
    signed,
    web_alone,
)

pytestmark = pytest.mark.slow

SIGNED = "se=2199-01-01T00%3A00%3A00Z&sp=r&sr=b&sig=c2lnbmF0dXJlLWNhbmFyeQ%3D"
OUTAGE_SECONDS = 2.0
LOG_SECONDS = 0.2


class Storm(NamedTuple):
    """Valid and invalid requests of every kind, each with a planted secret, were answered."""

    target: TargetServer
    answers: list[Answer]


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storm]:
    """Some of it while Redis is away, with the web process at log level DEBUG."""
    with web_alone(tmp_path_factory.mktemp("redaction"), LOG_LEVEL="DEBUG") as target:
        answers = list[Answer]()

        def send(*data: bytes) -> None:
            answers.extend(filter(None, (exchange(target.port, one) for one in data)))

        def ask(method: str, *paths: str) -> None:
            key: Header = ("Authorization", f"Bearer {KEYS['admin']}")
            send(*(request([key], method=method, target=path) for path in paths))

        send(*callbacks(), *api_requests())
        target.installation.redis.kill()
        send(request([PROOF], pending(new_id())), request([], failed(new_id())))
        ask("GET", "/api/jobs", f"/api/jobs/{new_id()}", "/readyz", "/metrics", "/media/a.b")
        time.sleep(OUTAGE_SECONDS)
        target.installation.redis.start()
        target.installation.wait_until_ready()
        ask("GET", "/api/jobs?limit=200")
        for job in target.client.jobs(limit=20):
            ask("GET", f"/api/jobs/{job['id']}")
            ask("POST", f"/api/jobs/{job['id']}/rescues")
            ask("DELETE", f"/api/jobs/{job['id']}")
        yield Storm(target, answers)


def callbacks() -> Iterator[bytes]:
    """Callbacks with a secret in the right header, in a wrong place, or malformed."""
    shown: list[list[Header]] = [
        [PROOF],
        [PROOF, PROOF],
        [(SECRET_HEADER, WEBHOOK_SECRET + "x")],
        [(SECRET_HEADER, WEBHOOK_SECRET.encode() + b"\xff")],
        [(SIGNATURE_HEADER, WEBHOOK_SECRET)],
        [(SIGNATURE_HEADER, f"sha256={WEBHOOK_SECRET}")],
        [("Authorization", f"Bearer {WEBHOOK_SECRET}"), ("Cookie", f"secret={WEBHOOK_SECRET}")],
        [(SECRET_HEADER, KEYS["admin"]), ("x-key", DEFAULTS["BFL_API_KEY"])],
    ]
    shapes: list[Callable[[str], bytes]] = [
        pending,
        failed,
        lambda _: b"{",
        lambda _: b"\xff" + WEBHOOK_SECRET.encode(),
        lambda _: b'{"id": "%b"}' % WEBHOOK_SECRET.encode() + b"}",
        lambda _: f'{{"id": "a/b", "sample": "https://x.test/?{SIGNED}"}}'.encode(),
        lambda _: b'{"a":' * 600 + b'"%b"' % WEBHOOK_SECRET.encode() + b"}" * 600,
    ]
    for headers in shown:
        for shape in shapes:
            yield request(headers, shape(new_id()))
        yield request(headers, pending(new_id()), target=f"/webhooks/bfl?secret={WEBHOOK_SECRET}")
        yield request(headers, b"", target=f"/webhooks/{WEBHOOK_SECRET}")
        yield request(headers, b" " * 70_000)
        coded: list[Header] = [*headers, ("Transfer-Encoding", "chunked")]
        yield request(coded, chunked(pending(new_id())), length=None)
        yield request(coded, b"zz\r\n" + WEBHOOK_SECRET.encode(), length=None)
        yield request(headers, b"", method="PUT")
    yield request([PROOF], b" " * (2**20 + 1))
    for url in (f"https://delivery-eu1.bfl.ai.evil.test/a?{SIGNED}", f"http://[::1/?{SIGNED}"):
        result = {"sample": url, "draft_cache": url, "mask": url, "more": [{"url": url}]}
        body = json.dumps({"id": new_id(), "status": "Ready", "result": result}).encode()
        yield request([signed(body)], body)


def api_requests() -> Iterator[bytes]:
    """API requests with valid, invalid and misplaced keys, and with other secrets."""
    secrets = [*KEYS.values(), WEBHOOK_SECRET, *(DEFAULTS[name] for name in ("SECRET_KEY",))]
    for secret in secrets:
        for headers in ([("x-key", secret)], [("Authorization", f"Bearer {secret}")]):
            for path in (
                "/api/jobs",
                "/api/jobs?limit=x",
                "/api/jobs/nobody",
                "/nowhere",
                "/readyz",
            ):
                yield request(headers, method="GET", target=path)
            yield request(headers, b"{", method="PUT", target=f"/api/jobs/{new_id()}")
        for path in (
            f"/api/jobs?key={secret}",
            f"/api/jobs/{secret}%00",
            f"/{secret}",
            f"/media/{secret}",
            f"//{secret}//",
        ):
            yield request([("x-key", secret + "x")], method="GET", target=path)
    url = f"https://api.bfl.ai.evil.test/v1/get_result?{SIGNED}"
    body = json.dumps({"polling_url": url, "notify_url": f"ftp://x.test/?{SIGNED}"}).encode()
    key: Header = ("x-key", KEYS["submit"])
    yield request([key], body, method="PUT", target=f"/api/jobs/{new_id()}")


def leaks(text: str, planted: list[str]) -> list[str]:
    return [line[:300] for line in text.splitlines() if any(one in line for one in planted)]


def test_no_secret_is_in_an_answer(storm: Storm) -> None:
    planted = [*storm.target.installation.secrets(), "sig="]
    assert [answer for answer in storm.answers if leaks(answer.everything, planted)] == []


def test_no_traceback_is_in_a_log_or_an_answer(storm: Storm) -> None:
    log_text = storm.target.installation.logs()
    log_text += "".join(answer.everything for answer in storm.answers)
    assert "Traceback" not in log_text and 'File "' not in log_text


def test_every_kind_of_answer_was_given_and_none_is_our_fault(storm: Storm) -> None:
    statuses = {answer.status for answer in storm.answers}
    assert statuses >= {200, 400, 401, 403, 404, 413, 422}
    # While Redis was down it was said so, which makes BFL come again.
    assert [status for status in statuses if status >= 500] == [503]


def test_no_secret_of_ours_is_in_a_record(storm: Storm) -> None:
    planted = storm.target.installation.secrets()
    kept = repr([decode(record) for record in storm.target.records().values()])
    assert not [secret for secret in planted if secret in kept]


def test_after_all_requests_the_invariants_hold(storm: Storm) -> None:
    """Among them: no secret is in a log or in a key of RQ."""
    assert_invariants(storm.target.installation)


# A head that cannot be read may hold a secret as well as one that can.

MALFORMED = {
    "no colon": "POST /webhooks/bfl HTTP/1.1\r\nHost: x\r\nX-Webhook-Secret %s\r\n\r\n",
    "in the name": "POST /webhooks/bfl HTTP/1.1\r\nHost: x\r\nX-Webhook-Secret(%s): 1\r\n\r\n",
    "a NUL behind it": "POST /webhooks/bfl HTTP/1.1\r\nX-Webhook-Secret: %s\0\r\n\r\n",
    "in a bad version": "GET /media/%s HTTP/9.9\r\n\r\n",
    "in a request line of two words": "GET /media/%s\r\n\r\n",
    "in a method": "%s /webhooks/bfl HTTP/1.1\r\n\r\n",
    "in a target that is none": "GET media/%s HTTP/1.1\r\n\r\n",
    "in a coding": "POST /webhooks/bfl HTTP/1.1\r\nTransfer-Encoding: %s\r\n\r\n",
    "in a length": "POST /webhooks/bfl HTTP/1.1\r\nContent-Length: %s\r\n\r\n",
    "in a chunk size": "POST /webhooks/bfl HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
    "in the query of a long URL": "GET /x?" + "a" * 5000 + "%s HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("shape", MALFORMED.values(), ids=MALFORMED)
def test_an_unreadable_head_is_neither_logged_nor_repeated(
    server: TargetServer, shape: str
) -> None:
    planted = f"head-canary-{secrets.token_hex(8)}"
    answer = exchange(server.port, (shape % planted).encode())
    time.sleep(LOG_SECONDS)
    assert leaks(server.installation.logs("web"), [planted]) == []
    assert answer is None or planted not in answer.everything
