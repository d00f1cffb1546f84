"""Jobs that clients wait for, the callbacks that end them, and the connections they cost."""

import json
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.harness import Client, Installation
from tests.harness.closing import Closing
from tests.harness.connections import held_connections
from tests.harness.installation import KEYS
from tests.harness.patience import wait_for
from tests.harness.wire import Answer, Wire, request

CLIENTS = 200
CALLERS = 4
CALLS_PER_SECOND = 50


def emptied(installation: Installation) -> Installation:
    """A web process runs, whatever an earlier test did to it, and knows of no job."""
    with installation.redis.client() as redis:
        redis.flushall()
    if not installation.web:
        installation.start("web")
    return installation


def put_jobs(client: Client, count: int) -> list[str]:
    names = [f"job-{n:03}" for n in range(count)]
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda name: client.put_job(name).status_code, names)
        assert set(answers) == {201}
    return names


def fail(client: Client, job_id: str) -> float:
    """Send the callback that ends a job, and return the seconds until the response."""
    began = time.monotonic()
    client.callback({"id": job_id, "status": "Error"}).raise_for_status()
    return time.monotonic() - began


class LongPollClients(Closing):
    """Hundreds of clients in one thread, each on a connection of its own: one for each path."""

    def __init__(self, installation: Installation) -> None:
        self._port = installation.ports[0]
        self._waiting: dict[str, Wire] = {}
        self.answers: dict[str, Answer] = {}
        self.answered_at: dict[str, float] = {}

    def ask(self, paths: Iterable[str]) -> None:
        """Send each request, without waiting for an answer."""
        headers = [("x-key", KEYS["read"]), ("Connection", "close")]
        for path in paths:
            wire = self._waiting[path] = Wire(self._port)
            wire.send(request(headers, method="GET", target=path))

    def wait_until_looked_up(self, client: Client, job_id: str) -> None:
        """Returns once the server has read each request, and looked up its job.

        Requests come to Redis in turn: one that is sent afterwards has waited for all of them.
        """
        ports = {wire.local_port for wire in self._waiting.values()}
        wait_for("all are read", lambda: held_connections(self._port, ports) == ports, 30.0)
        for _ in range(2):
            client.job(job_id)

    def gather(self, timeout: float) -> None:
        """Returns once each is answered. Raises TimeoutError."""
        wait_for("each is answered", self._gathered, timeout)

    def _gathered(self) -> bool:
        for path, wire in tuple(self._waiting.items()):
            if (answers := wire.ended()) is not None:
                (self.answers[path],) = answers
                self.answered_at[path] = time.monotonic()
                self._waiting.pop(path).close()
        return not self._waiting

    def statuses(self) -> set[int]:
        return {answer.status for answer in self.answers.values()}

    def jobs(self) -> list[dict[str, Any]]:
        return [json.loads(answer.body) for answer in self.answers.values()]

    def close(self) -> None:
        for wire in self._waiting.values():
            wire.close()


class SteadyCallbacks:
    """Callbacks at a steady rate; `ended` has the time of each response."""

    def __init__(self, client: Client, names: list[str]) -> None:
        self.ended: dict[str, float] = {}
        self.seconds: list[float] = []
        self._client = client
        shares = [names[first::CALLERS] for first in range(CALLERS)]
        self._threads = [
            threading.Thread(target=self._call, args=(mine,), daemon=True) for mine in shares
        ]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _call(self, names: list[str]) -> None:
        began = time.monotonic()
        for n, name in enumerate(names):
            time.sleep(max(0.0, began + n * CALLERS / CALLS_PER_SECOND - time.monotonic()))
            self.seconds.append(fail(self._client, name))
            self.ended[name] = time.monotonic()


def redis_connections(installation: Installation) -> int:
    with installation.redis.client() as redis:
        return len(redis.client_list()) - 1
