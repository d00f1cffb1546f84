"""Somebody's webhook: a real server that keeps every call and answers as a test says."""

import json
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.harness.patience import wait_for
from tests.harness.ports import free_port

POLL_SECONDS = 0.02  # how soon a stop is noticed


class Call(NamedTuple):
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = json.loads(self.body)
        return payload

    @property
    def id(self) -> str:
        """As the Standard Webhooks specification has it."""
        return self.headers["webhook-id"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Hook:
    """Answers with these statuses in turn, then 200; each answer takes `delay` seconds."""

    def __init__(self, *answers: int, listening: bool = True) -> None:
        self.port = free_port()
        self.calls: list[Call] = []
        self.answers = list(answers)
        self.headers: dict[str, str] = {}
        self.delay = 0.0
        self._released = threading.Event()
        self._server: _Server | None = None
        if listening:
            self.listen()

    def listen(self) -> None:
        """Until now nobody was there."""
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.calls.append(Call(dict(self.headers), body, time.monotonic()))
                hook._released.wait(hook.delay)
                self.send_response(hook.answers.pop(0) if hook.answers else 200)
                for name, value in {"Content-Length": "0", **hook.headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    return  # a caller that was killed

        self._server = _Server(("127.0.0.1", self.port), Handler)
        serve = partial(self._server.serve_forever, POLL_SECONDS)
        threading.Thread(target=serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=b%2Fc"

    def called(self, times: int = 1, timeout: float = 15.0) -> Call:
        wait_for(f"{times} calls", lambda: len(self.calls) >= times, timeout)
        return self.calls[times - 1]

    def release(self) -> None:
        """Answer all waiting requests."""
        self.delay = 0.0
        self._released.set()

    def close(self) -> None:
        self.release()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
