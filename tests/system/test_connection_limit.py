"""Bursts of requests against a web process with a bounded connection pool."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import pytest
import requests

from jobs.store.redis.connection import CONNECTIONS_MAX
from tests.harness import SLOWEST, Installation, RedisServer, TcpProxy, wait_for

BURST = 120
AT_ONCE = 4 * CONNECTIONS_MAX
UNHINDERED_SECONDS = 5.0 * SLOWEST
HUNG_SECONDS = 5.0
HUNG_REQUESTS = 30


@pytest.fixture
def wire(redis_server: RedisServer) -> Iterator[TcpProxy]:
    with TcpProxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def web(
    stopped_installation: Installation, redis_server: RedisServer, wire: TcpProxy
) -> Installation:
    """One web process, whose connections to Redis a TCP proxy counts."""
    stopped_installation.start("web", REDIS_URL=redis_server.url_through(wire.port))
    return stopped_installation


FORGERY = {"id": "forged", "status": "Error"}
REQUESTS: dict[str, tuple[Callable[[Installation, int], requests.Response], set[int]]] = {
    "forged callbacks": (lambda web, _: web.client("").callback(FORGERY, "wrong"), {401}),
    "guessed keys": (lambda web, n: web.client(f"wrong-{n}").get("/api/jobs"), {401, 429}),
    "lists": (lambda web, _: web.client("read").get("/api/jobs"), {200}),
}


@pytest.mark.parametrize(("ask", "statuses"), REQUESTS.values(), ids=REQUESTS)
def test_a_burst_stays_within_the_connection_pool_and_delays_no_other(
    web: Installation,
    wire: TcpProxy,
    ask: Callable[[Installation, int], requests.Response],
    statuses: set[int],
) -> None:
    reader, most, over = web.client("read"), [0], threading.Event()
    assert reader.get("/api/jobs").ok  # its key is known from this address before others guess

    def watch() -> None:
        while not over.wait(0.005):
            most[0] = max(most[0], wire.connections)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            burst = [pool.submit(ask, web, n) for n in range(BURST)]
            while not all(one.done() for one in burst):
                began = time.monotonic()
                assert reader.get("/api/jobs").ok
                assert time.monotonic() - began < UNHINDERED_SECONDS
            assert {one.result().status_code for one in burst} <= statuses
    finally:
        over.set()
        watcher.join()
    assert 0 < most[0] <= CONNECTIONS_MAX


def test_while_redis_hangs_answers_are_in_time(web: Installation, wire: TcpProxy) -> None:
    """Callbacks and reads, on open and on new connections."""
    client = web.client("read")
    assert client.get("/api/jobs").ok

    def timed_answer(n: int) -> tuple[int, float]:
        own, began = web.client("read"), time.monotonic()
        report = {"id": f"job-{n}", "status": "Error"}
        answer = own.get("/api/jobs") if n % 2 else own.callback(report)
        return answer.status_code, time.monotonic() - began

    wire.hang()
    try:
        with ThreadPoolExecutor(HUNG_REQUESTS) as pool:
            answers = list(pool.map(timed_answer, range(HUNG_REQUESTS)))
    finally:
        wire.pass_on()
    assert {status for status, _ in answers} == {503}
    assert median(seconds for _, seconds in answers) < HUNG_SECONDS, sorted(answers)[-5:]
    assert max(seconds for _, seconds in answers) < HUNG_SECONDS * SLOWEST
    wait_for("it works again", lambda: client.get("/api/jobs").ok)
