"""Memory of web and worker while large inputs come, with callbacks beside them: a clip of 50 MB by
each way, and the largest ones at once.

One web process takes all requests: what they cost it is the bound of each.
"""

import base64
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from tests.bench import constant_rate, load
from tests.bench.memory import MB, peak_memory, proportional
from tests.harness import Installation, RedisServer
from tests.harness.installation import KEYS, WEBHOOK_SECRET
from tests.harness.patience import wait_for
from tests.harness.visitor import Visitor

CLIP_BYTES = 50_000_000
LIMITS_BYTES = (32 * 2**20, 288 * 2**20)
BODIES = 8
REPEATS = 6
CALLBACKS_PER_SECOND = 20.0
PIECE = base64.b64encode(os.urandom(3 * 64 * 1024))
BFL_PIECE_BYTES = 2**20


def main() -> None:
    print("| input | | accepted | web, MB above rest | worker | callbacks p50, p99 ms | refused |")
    print("|---|---|---|---|---|---|---|")
    for limit in LIMITS_BYTES:
        settings = {"MAX_INPUT_BYTES": str(limit), "LOG_LEVEL": "INFO", "MAX_ACTIVE": "100"}
        with (
            TemporaryDirectory(prefix="fluxkeep-bench-") as directory,
            bfl() as bfl_url,
            RedisServer(Path(directory) / "redis") as redis,
            Installation(Path(directory), redis, bfl_url, **settings) as installation,
        ):
            installation.start()
            _measure(installation, limit)


def _measure(installation: Installation, limit: int) -> None:
    ids = [_post(installation, 10_000) for _ in range(4)]  # warm
    wait_for("they are sent", lambda: all(_is_sent(installation, one) for one in ids), 60)
    rest = {name: sum(map(proportional, _pids(installation, name))) for name in ("web", "worker")}
    for name, door in DOORS.items() if limit > 2 * CLIP_BYTES else ():
        clip = b"\0\0\0\x18ftypisom" + os.urandom(CLIP_BYTES)
        _row(installation, f"50 MB | {name}", rest, [partial(door, installation, clip)])
    steps: dict[str, list[Callable[[], str]]] = {
        f"{BODIES} of them": [lambda: _post(installation, limit - 1000)] * BODIES
    }
    for name, requests in steps.items():
        ids = _row(installation, f"{limit / 2**20:.0f} MiB | {name}", rest, requests)
    repeats = [
        lambda: _request(installation, f"/api/jobs/{ids[0]}/repeats", iter([b"{}"]), 2)
    ] * REPEATS
    _row(installation, f"{limit / 2**20:.0f} MiB | {REPEATS} repeats", rest, repeats)


def _row(
    installation: Installation, name: str, rest: dict[str, int], requests: list[Callable[[], str]]
) -> list[str]:
    """Send all requests at once, and wait until BFL has all jobs."""
    done = threading.Event()
    with (
        peak_memory(lambda: _pids(installation, "web")) as web,
        peak_memory(lambda: _pids(installation, "worker")) as worker,
        ThreadPoolExecutor(len(requests) + 1) as pool,
    ):
        callbacks = pool.submit(_call_back, installation, done)
        answers = [one.result() for one in [pool.submit(request) for request in requests]]
        done.set()
        ids = [job_id for job_id in answers if job_id]
        latencies = callbacks.result()
        for job_id in ids:
            wait_for("BFL has it", lambda one=job_id: _is_sent(installation, one), 600)  # type: ignore[misc]
    peaks = f"{(web.bytes - rest['web']) / MB:.0f} | {(worker.bytes - rest['worker']) / MB:.0f}"
    timed = f"{latencies.p50:.0f}, {latencies.p99:.0f} | {latencies.refused}"
    print(f"| {name} | {len(ids)} | {peaks} | {timed} |", flush=True)
    return ids


def _call_back(installation: Installation, done: threading.Event) -> constant_rate.Measurement:
    """Callbacks until the requests are answered; at least for two seconds."""
    path, found = installation.directory / "callbacks", list[constant_rate.Measurement]()
    while not found or not done.is_set():
        path.write_text("".join(_failures(100)))  # which cause no work
        found.append(
            constant_rate.run(installation.url, path, rate=CALLBACKS_PER_SECOND, seconds=2)
        )
    worst = max(found, key=lambda one: one.p99)
    middle = sorted(one.p50 for one in found)[len(found) // 2]
    return worst._replace(p50=middle, refused=sum(one.refused for one in found))


def _failures(count: int) -> Iterator[str]:
    for _ in range(count):
        failure = {"id": str(uuid.uuid4()), "status": "Error", "result": None}
        yield load.signed(failure, WEBHOOK_SECRET)


def _post(installation: Installation, size: int) -> str:
    """Send an input of so many bytes of JSON without holding it; "" if it is refused."""
    head = json.dumps({"model": "flux-2-pro", "input": {"prompt": str(uuid.uuid4())}}).encode()
    head = head[:-2] + b', "input_image": "'
    count = max((size - len(head)) // 4 * 4, 4)

    def body() -> Iterator[bytes]:
        yield head
        for at in range(0, count, len(PIECE)):
            yield PIECE[: count - at]
        yield b'"}}'

    return _request(installation, "/api/jobs", body(), len(head) + count + 3)


def _by_form(installation: Installation, clip: bytes) -> str:
    visitor = Visitor(installation.url, "submit")
    fields = {"model": "flux-3-video", "mode": "v2v", "prompt": "a", "idempotency_key": "clip"}
    files = {"start_video": ("clip.mp4", clip)}
    answer = visitor.post("/submit", page="/submit", files=files, **fields)
    return answer.headers["Location"].partition("job=")[2].partition("&")[0]


def _by_api(installation: Installation, clip: bytes) -> str:
    return _send(installation, "/api/jobs", {"model": "flux-3-video", "input": _input(clip)})


def _by_bfls_api(installation: Installation, clip: bytes) -> str:
    return _send(installation, "/v1/flux-3-video", _input(clip))


DOORS = {"`POST /api/jobs`": _by_api, "`POST /v1/…`": _by_bfls_api, "the form": _by_form}


def _input(clip: bytes) -> dict[str, str]:
    return {"mode": "v2v", "prompt": "a", "start_video": base64.b64encode(clip).decode()}


def _send(installation: Installation, path: str, fields: dict[str, Any]) -> str:
    body = json.dumps(fields).encode()
    return _request(installation, path, iter([body]), len(body))


def _request(installation: Installation, path: str, body: Iterator[bytes], length: int) -> str:
    parts = urlsplit(installation.url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=600)
    headers = {"x-key": KEYS["submit"], "Content-Length": str(length)}
    try:
        connection.request("POST", path, body, headers)
        found = json.loads(connection.getresponse().read())
    except OSError:
        return ""
    finally:
        connection.close()
    return str(found.get("id", ""))


def _is_sent(installation: Installation, job_id: str) -> bool:
    time.sleep(0.05)
    return bool(installation.client().job(job_id)["task_id"])


def _pids(installation: Installation, name: str) -> list[int]:
    (process,) = [one for one in installation.running[name] if one.alive]
    return [process.pid, *process.offspring()]


@contextmanager
def bfl() -> Iterator[str]:
    """A BFL that accepts each task and keeps nothing of it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Bfl)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Bfl(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, BFL_PIECE_BYTES)))
        self._answer({"id": str(uuid.uuid4())})

    def do_GET(self) -> None:
        self._answer({"status": "Pending"})

    def _answer(self, value: dict[str, str]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
