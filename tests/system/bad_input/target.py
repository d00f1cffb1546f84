"""Target of hostile input: valid callbacks to it, and the state in its Redis."""

import json
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.store.redis.keys import COUNTERS, RECORD_PREFIX
from tests.harness import WEBHOOK_SECRET, Installation, RedisServer
from tests.harness.wire import Answer, Header, exchange, request, signature

SECOND_SECRET = "second-secret-canary-5d21"
RETIRED_SECRET = "retired-secret-canary-77e0"
SECRET_HEADER = "X-Webhook-Secret"
SIGNATURE_HEADER = "X-BFL-Signature"
PROOF: Header = (SECRET_HEADER, WEBHOOK_SECRET)
# What a refused callback may leave: a line on the timeline and the time of it.
_TRACES = ("timeline", "updated_at")


class TargetServer:
    """An installation whose web process must survive every request."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.client = installation.client()
        self.port = installation.ports[0]
        self.secret = WEBHOOK_SECRET

    # What is sent.

    def exchange(self, data: bytes) -> Answer:
        """Send one request and return its response, which must come."""
        answer = exchange(self.port, data)
        assert answer is not None, "the connection was closed without an answer"
        return answer

    def call_back(self, body: bytes, *headers: Header, **options: Any) -> Answer:
        """Send a callback with these headers only."""
        return self.exchange(request(headers, body, **options))

    def authentic(self, body: bytes, *headers: Header, **options: Any) -> Answer:
        """Send a callback as BFL does."""
        return self.call_back(body, PROOF, *headers, **options)

    # What is there.

    def announced_job(self) -> str:
        """Create a job that awaits its callback, and return its id."""
        job_id = new_id()
        assert self.client.put_job(job_id).status_code == 201
        return job_id

    def job(self, job_id: str) -> dict[str, Any] | None:
        """The job from the API, without the traces of refused callbacks."""
        found = self.client.find(job_id)
        return found and {name: found[name] for name in found if name not in _TRACES}

    def records(self) -> dict[bytes, bytes]:
        """All records in Redis, byte for byte."""
        with self.installation.redis.client() as redis:
            keys = list(redis.scan_iter(f"{RECORD_PREFIX}*", count=1000))
            kept = redis.mget(keys) if keys else []
        return dict(zip(keys, kept, strict=True))

    def counted(self) -> int:
        """The sum of all counters."""
        with self.installation.redis.client() as redis:
            return sum(int(number) for number in redis.hvals(COUNTERS))

    # What must be true whatever was sent.

    @contextmanager
    def answering_others(self, seconds: float) -> Iterator[None]:
        """Assert that no request on another connection takes longer meanwhile."""
        over, slowest = threading.Event(), [0.0]

        def watch() -> None:
            while not over.is_set():
                began = time.monotonic()
                self.exchange(request(method="GET", target="/healthz"))
                slowest[0] = max(slowest[0], time.monotonic() - began)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
        assert slowest[0] < seconds

    def still_serves(self) -> None:
        """Assert that a valid callback is accepted on a new connection."""
        job_id = new_id()
        answer = self.authentic(pending(job_id))
        assert answer.status == 200, answer
        assert json.loads(answer.body)["id"] == job_id
        assert self.installation.web, "the web process has ended"


@contextmanager
def web_alone(directory: Path, **settings: str) -> Iterator[TargetServer]:
    """A web process and its Redis, without a worker that changes records."""
    redis = RedisServer(directory / "redis")
    installation = Installation(directory, redis, **settings)
    try:
        installation.start("web")
        yield TargetServer(installation)
    finally:
        installation.close()
        redis.kill()


def new_id() -> str:
    return str(uuid.uuid4())


def pending(job_id: str, **more: Any) -> bytes:
    """Progress callback: the task is running."""
    return json.dumps({"id": job_id, "status": "Pending", "progress": 0.5, **more}).encode()


def failed(job_id: str) -> bytes:
    """Callback that ends the job if it is accepted."""
    return json.dumps({"id": job_id, "status": "Error", "error": "planted"}).encode()


def signed(body: bytes, secret: str = WEBHOOK_SECRET, of: bytes | None = None) -> Header:
    """The signature header of a body, or with `of` the one of another body."""
    return SIGNATURE_HEADER, f"sha256={signature(secret, body if of is None else of)}"


def statuses(answers: Iterable[Answer]) -> list[int]:
    return [answer.status for answer in answers]
