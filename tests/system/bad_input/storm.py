"""Valid and invalid requests of every kind, each with a planted secret."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.harness import DEFAULTS, KEYS, WEBHOOK_SECRET
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
)

SIGNATURE_CANARY = "c2lnbmF0dXJlLWNhbmFyeQ"
SIGNED = f"se=2199-01-01T00%3A00%3A00Z&sp=r&sr=b&sig={SIGNATURE_CANARY}%3D"
OUTAGE_SECONDS = 2.0


@dataclass
class Storm:
    """Requests and their responses."""

    target: TargetServer
    answers: list[Answer] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        answer = exchange(self.target.port, data)
        if answer:
            self.answers.append(answer)

    def ask(self, method: str, path: str) -> None:
        key: Header = ("Authorization", f"Bearer {KEYS['admin']}")
        self.send(request([key], method=method, target=path))

    def rage(self) -> None:
        """Send everything, some of it while Redis is away, and look at what became of it."""
        for data in (*callbacks(), *api_requests()):
            self.send(data)
        self._without_redis()
        self.ask("GET", "/api/jobs?limit=200")
        for job in self.target.client.jobs(limit=20):
            self.ask("GET", f"/api/jobs/{job['id']}")
            self.ask("POST", f"/api/jobs/{job['id']}/rescues")
            self.ask("DELETE", f"/api/jobs/{job['id']}")

    def _without_redis(self) -> None:
        self.target.installation.redis.kill()
        for data in (request([PROOF], pending(new_id())), request([], failed(new_id()))):
            self.send(data)
        for path in ("/api/jobs", f"/api/jobs/{new_id()}", "/readyz", "/metrics", "/media/a.b"):
            self.ask("GET", path)
        time.sleep(OUTAGE_SECONDS)
        self.target.installation.redis.start()
        self.target.installation.wait_until_ready()


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
