"""One key that takes whatever it can get from a pool that all share delays only itself."""

import socket
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from jobs.domain.errors import TooManyWaiting
from receiver.feed.broker import SUBSCRIBERS_MAX, Broker
from tests.harness import Client, Installation, RedisServer, wait_for, wait_for_none
from tests.harness.notifications import NEW, about
from tests.harness.parts import services_over
from tests.harness.waiting_jobs import fail
from tests.harness.webhook_receiver import Hook

SLOW_HOSTS = [f"127.0.0.{n}" for n in range(2, 66)]
PER_HOST = 10
AT_ONCE_SECONDS = 15.0  # a slow host alone takes 20


@pytest.fixture(scope="module")
def redis_server(module_redis: RedisServer) -> RedisServer:
    return module_redis


@pytest.fixture
def hook() -> Iterator[Hook]:
    """The receiver at NOTIFY_URL and at the other key's `notify_url`."""
    listening = Hook()
    yield listening
    listening.close()


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts connections under every name and never answers."""
    with socket.create_server(("0.0.0.0", 0), backlog=1000) as server:  # noqa: S104 - loopback asks
        yield server.getsockname()[1]


def ended(client: Client, job_id: str, notify_url: str) -> str:
    client.put_job(job_id, notify_url=notify_url).raise_for_status()
    fail(client, job_id)
    return job_id


def _untold(hook: Hook, job_ids: list[str]) -> set[str]:
    return {*job_ids} - {call.payload["data"]["id"] for call in hook.calls}


def is_operator_told(client: Client, job_id: str) -> bool:
    """Whether the timeline has the delivery; an event of the slow receiver may follow it."""
    delivered = [
        line["detail"]["to"]
        for line in client.job(job_id)["timeline"]
        if line["event"] == "notification.delivered"
    ]
    return any(target.startswith("NOTIFY_URL ") for target in delivered)


@pytest.mark.slow
def test_a_key_with_many_slow_receivers_delays_no_other_notification(
    module_installation: Installation, hook: Hook, silent: int
) -> None:
    module_installation.settings |= {
        "NOTIFY_URL": hook.url,
        "NOTIFY_SECRET": NEW,
        "NOTIFY_HOSTS": ",".join(["127.0.0.1", *SLOW_HOSTS]),
    }
    module_installation.start("web", "sweep")
    greedy, other = module_installation.client("submit"), module_installation.client("admin")
    slow = [
        ended(greedy, f"slow-{n}-{host}".replace(".", "-"), f"http://{host}:{silent}/")
        for n in range(PER_HOST)
        for host in SLOW_HOSTS
    ]
    job_id = ended(other, "other", hook.url)
    wait_for("both are called", lambda: len(about(hook, job_id)) == 2, AT_ONCE_SECONDS)
    wait_for_none("the operator is told", partial(_untold, hook, slow), AT_ONCE_SECONDS)
    admin = module_installation.client()
    wait_for("its timeline says so", lambda: is_operator_told(admin, slow[-1]), AT_ONCE_SECONDS)


def test_a_key_with_any_number_of_streams_leaves_places_to_others(
    redis_server: RedisServer,
) -> None:
    with redis_server.client() as redis:
        before = set(threading.enumerate())
        broker = Broker(services_over(redis).events)
        for _ in range(SUBSCRIBERS_MAX // 2):
            greedy = broker.subscribe(None, "greedy")
        with pytest.raises(TooManyWaiting):
            broker.subscribe("job", "greedy")
        for _ in range(SUBSCRIBERS_MAX // 4):
            broker.subscribe(None, "other")
        broker.unsubscribe(greedy)
        with pytest.raises(TooManyWaiting):
            broker.subscribe("job", "greedy")  # the other key came meanwhile
        broker.subscribe(None, "third")
        broker.close()
        wait_for_none("its thread ends", lambda: {*threading.enumerate()} - before)
