"""Valid and invalid requests of every kind, each with a planted secret."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.harness.installation import DEFAULTS, KEYS, WEBHOOK_SECRET
from tests.sandbox import Sandbox
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
from tests.system.bad_input.wire import Answer, Header, chunked, exchange, request

SIGNATURE_CANARY = "c2lnbmF0dXJlLWNhbmFyeQ"
SIGNED = f"se=2199-01-01T00%3A00%3A00Z&sp=r&sr=b&sig={SIGNATURE_CANARY}%3D"
OUTAGE_SECONDS = 2.0

# What a refused host or redirect is worth trying for: an operator may allow it meanwhile.
SHORT_LIFE_SECONDS = 10.0

# How BFL treats a task, by name; each must end in some way.
FATES: dict[str, dict[str, Any]] = {
    "good": {},
    "signed": {"auth": "signature"},
    "both": {"auth": "both"},
    "polled": {"callback": "never"},
    "error": {"outcome": "error", "error_text": "it broke"},
    "moderated": {"outcome": "request_moderated"},
    "reset": {"reset": 1},
    "wrong bytes": {"wrong_md5": 1},
    "cut short": {"short_body": 1},
    "unavailable": {"delivery_500": 1},
    "redirected": {
        "redirect": f"http://127.0.0.1:9/a.jpeg?{SIGNED}",
        "life": SHORT_LIFE_SECONDS,
        "resign": False,
    },
    "elsewhere": {"sample_url": "https://evil.test/a.jpeg?"},  # its query is added when it is sent
    "no medium": {"body": "<html>this is not a picture</html>"},
    "expired": {"delivery_status": 403, "resign": False},
}


@dataclass
class Storm:
    """Requests, responses and the resulting jobs."""

    target: TargetServer
    sandbox: Sandbox
    answers: list[Answer] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        answer = exchange(self.target.port, data)
        if answer:
            self.answers.append(answer)

    def ask(self, method: str, path: str, scope: str = "admin", body: bytes = b"") -> None:
        key: Header = ("Authorization", f"Bearer {KEYS[scope]}")
        self.send(request([key], body, method=method, target=path))

    def run_storm(self) -> None:
        """Send everything, then wait until every job has ended."""
        ids = {name: self._submitted(switches) for name, switches in FATES.items()}
        for data in callbacks():
            self.send(data)
        for data in api_requests():
            self.send(data)
        self._without_redis()
        for name, job_id in ids.items():
            self.jobs[name] = self.target.client.wait_for(job_id, timeout=40)
            self.ask("GET", f"/api/jobs/{job_id}")
        self.ask("GET", "/api/jobs?limit=200")
        self._follow_links()
        self.ask("POST", f"/api/jobs/{ids['expired']}/rescues")
        self.ask("DELETE", f"/api/jobs/{ids['signed']}")

    def _submitted(self, switches: dict[str, Any]) -> str:
        if "sample_url" in switches:
            switches = {**switches, "sample_url": switches["sample_url"] + _short_lived_query()}
        task = self.sandbox.submit(
            webhook_url=f"{self.target.installation.url}/webhooks/bfl",
            webhook_secret=WEBHOOK_SECRET,
            switches={"seconds": 0.1, **switches},
        )
        if switches.get("callback") is not None:
            url = f"{self.sandbox.url}/v1/get_result?id={task.id}"
            body = json.dumps({"polling_url": url}).encode()
            self.ask("PUT", f"/api/jobs/{task.id}", "submit", body)
        return task.id

    def _without_redis(self) -> None:
        self.target.installation.redis.kill()
        for data in (request([PROOF], pending(new_id())), request([], failed(new_id()))):
            self.send(data)
        for path in ("/api/jobs", f"/api/jobs/{new_id()}", "/readyz", "/metrics", "/media/a.b"):
            self.ask("GET", path)
        time.sleep(OUTAGE_SECONDS)
        self.target.installation.redis.start()
        self.target.installation.wait_until_ready()

    def _follow_links(self) -> None:
        for job in self.jobs.values():
            for medium in job["media"]:
                path = "/media/" + medium["url"].rpartition("/media/")[2]
                self.links.append(path)
                for target in (path, f"{path}x", f"{path}?{SIGNED}"):
                    self.ask("GET", target)


def _short_lived_query() -> str:
    expires_at = datetime.fromtimestamp(time.time() + SHORT_LIFE_SECONDS, UTC)
    return f"se={expires_at:%Y-%m-%dT%H%%3A%M%%3A%SZ}&sp=r&sr=b&sig={SIGNATURE_CANARY}%3D"


def callbacks() -> Iterator[bytes]:
    """Callbacks with a secret in the right header, in a wrong place, or malformed."""
    shown: list[list[Header]] = [
        [PROOF],
        [PROOF, PROOF],
        [(SECRET_HEADER, WEBHOOK_SECRET + "x")],
        [(SECRET_HEADER, WEBHOOK_SECRET.encode() + b"\xff")],
        [(SIGNATURE_HEADER, WEBHOOK_SECRET)],
        [(SIGNATURE_HEADER, f"sha256={WEBHOOK_SECRET}")],
        [("Authorization", f"Bearer {WEBHOOK_SECRET}")],
        [("Cookie", f"secret={WEBHOOK_SECRET}")],
        [(SECRET_HEADER, KEYS["admin"])],
        [(SECRET_HEADER, DEFAULTS["SECRET_KEY"])],
        [("x-key", DEFAULTS["BFL_API_KEY"])],
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
