"""Server-Sent Events: each change is delivered once, also across disconnects."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from jobs.store.change_stream import BATCH_MAX, EVENTS_MAX
from jobs.store.redis.keys import EVENTS
from tests.harness import KEYS, Client, Installation, RedisServer, TcpProxy, wait_for, wait_for_none
from tests.harness.connections import held_connections
from tests.harness.waiting_jobs import emptied, fail, put_jobs
from tests.harness.watcher import Seen, Watcher

READ = KEYS["read"]


@pytest.fixture(scope="module")
def redis_server(module_redis: RedisServer) -> RedisServer:
    return module_redis


@pytest.fixture
def installation(module_installation: Installation) -> Installation:
    return emptied(module_installation)


@pytest.fixture
def wire(installation: Installation) -> Iterator[TcpProxy]:
    with TcpProxy(installation.ports[0]) as proxy:
        yield proxy


def all_events(installation: Installation, last_id: str | None = None) -> Watcher:
    return Watcher(f"{installation.url}/api/events", READ, last_id)


def events_of(installation: Installation, job_id: str, last_id: str | None = None) -> Watcher:
    return Watcher(f"{installation.url}/api/jobs/{job_id}/events", READ, last_id)


def progress(client: Client, job_id: str, value: float) -> None:
    client.callback({"id": job_id, "status": "Pending", "progress": value}).raise_for_status()


def held(redis_server: RedisServer) -> list[str]:
    with redis_server.client() as redis:
        return [name.decode() for name, _ in redis.xrange(EVENTS)]


def test_every_change_is_an_event(client: Client, installation: Installation) -> None:
    with all_events(installation) as watcher:
        client.put_job("job", model="flux-2-pro")
        watcher.wait_for(1)
        progress(client, "job", 0.5)
        watcher.wait_for(2)
        fail(client, "job")
        seen = watcher.wait_for(3)
        headers = watcher.answer.headers
    assert headers["Content-Type"].startswith("text/event-stream")
    assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert [event.data["status"] for event in seen] == ["submitted", "submitted", "failed"]
    assert {event.name for event in seen} == {"job"}
    assert [event.data["change"] for event in seen] == ["status", "details", "status"]
    assert seen[2].data == {**client.job("job"), "change": "status"}


def test_a_stream_begins_with_the_current_job_and_ends_with_it(
    client: Client, installation: Installation
) -> None:
    put_jobs(client, 2)
    with events_of(installation, "job-000") as watcher:
        watcher.wait_for(1)
        fail(client, "job-001")
        fail(client, "job-000")
        assert watcher.ended.wait(50) and not watcher.broken
    assert watcher.statuses("job-000") == ["submitted", "failed"]
    assert watcher.statuses("job-001") == [] and watcher.comments == ["the end"]


def test_an_ended_job_is_sent_once(client: Client, installation: Installation) -> None:
    client.put_job("job")
    fail(client, "job")
    with events_of(installation, "job") as watcher:
        assert watcher.ended.wait(50)
    assert watcher.statuses("job") == ["failed"]
    again = events_of(installation, "job", watcher.last_id)
    assert again.answer.status_code == 204  # which stops a browser from coming again
    assert events_of(installation, "unknown").answer.status_code == 404


def assert_end_is_delivered(client: Client, installation: Installation, last_id: str) -> None:
    fail(client, "job")
    with events_of(installation, "job", last_id) as again:
        assert again.ended.wait(50)
    assert again.statuses("job") == ["failed"]


def test_an_end_behind_many_events_of_others_is_delivered(
    client: Client, installation: Installation, redis_server: RedisServer
) -> None:
    client.put_job("job")
    with events_of(installation, "job") as watcher:
        watcher.wait_for(1)
    with redis_server.client() as redis, redis.pipeline() as pipe:
        for _ in range(2 * BATCH_MAX):
            pipe.xadd(EVENTS, {"id": "other", "status": "stored"})
        pipe.execute()
    assert_end_is_delivered(client, installation, watcher.last_id)


def test_an_end_that_the_process_has_not_yet_been_told_of_is_delivered(
    client: Client, installation: Installation, redis_server: RedisServer
) -> None:
    client.put_job("job")
    with events_of(installation, "job") as watcher:
        watcher.wait_for(1)
    with redis_server.client() as redis:
        for connection in redis.client_list():
            if connection["cmd"] == "xread":  # the listener tries again after half a second
                redis.client_kill_filter(_id=connection["id"])
    assert_end_is_delivered(client, installation, watcher.last_id)


def test_a_reset_ends_the_stream_of_an_ended_job(
    client: Client, installation: Installation
) -> None:
    client.put_job("job")
    fail(client, "job")
    with events_of(installation, "job", "9999999999999-0") as watcher:
        assert watcher.ended.wait(10)
    assert [event.name for event in watcher.seen] == ["reset"]


def test_a_deleted_job_sends_a_deleted_event(client: Client, installation: Installation) -> None:
    client.put_job("job")
    with events_of(installation, "job") as watcher:
        watcher.wait_for(1)
        client.request("DELETE", "/api/jobs/job").raise_for_status()
        assert watcher.ended.wait(50)
    assert [(event.name, event.data.get("id")) for event in watcher.seen] == [
        ("job", "job"),
        ("deleted", "job"),
    ]


def test_a_cut_connection_resumes_without_a_gap_and_without_a_repetition(
    client: Client, wire: TcpProxy, redis_server: RedisServer
) -> None:
    """A reader reconnects like a browser, while jobs begin and end."""
    names = put_jobs(client, 60)
    first = Watcher(f"{wire.url}/api/events", READ, "0-0")
    first.wait_for(len(names))
    ending = threading.Thread(target=lambda: [fail(client, name) for name in names])
    ending.start()
    seen: list[Seen] = []
    watcher = first
    for _ in range(200):
        time.sleep(0.15)
        finished = not ending.is_alive() and len(held(redis_server)) == len(seen + watcher.seen)
        if not finished:
            wire.cut()
            assert watcher.ended.wait(50)
        seen += watcher.seen
        if finished:
            break
        watcher = Watcher(f"{wire.url}/api/events", READ, watcher.last_id)
    ending.join()
    watcher.close()
    assert [event.id for event in seen] == held(redis_server)
    assert len(held(redis_server)) == 2 * len(names)


def test_the_position_may_be_in_the_url(client: Client, installation: Installation) -> None:
    put_jobs(client, 3)
    url = f"{installation.url}/api/events"
    with Watcher(url, READ, last_event_id="0-0") as watcher:
        seen = watcher.wait_for(3)
    with Watcher(url, READ, seen[1].id, last_event_id="0-0") as watcher:
        assert watcher.wait_for(1)[0].id == seen[2].id


@pytest.mark.parametrize("place", ["nonsense", "1", "1-", "-1", "1-1-1", "٣-1", "9" * 20 + "-1"])
def test_an_invalid_position_is_refused(client: Client, place: str) -> None:
    answer = client.get("/api/events", last_event_id=place)
    assert answer.status_code == 400 and "last_event_id" in answer.json()["detail"]


@pytest.mark.slow
def test_a_position_before_the_stored_events_gets_a_reset(
    client: Client, installation: Installation, redis_server: RedisServer
) -> None:
    with all_events(installation) as before:
        client.put_job("early")
        before.wait_for(1)
    with redis_server.client() as redis, redis.pipeline() as pipe:
        for _ in range(EVENTS_MAX + 500):
            pipe.xadd(EVENTS, {"id": "gone", "status": "stored"}, maxlen=EVENTS_MAX)
        pipe.execute()
    client.put_job("late")
    with all_events(installation, before.last_id) as watcher:
        wait_for("the late one", lambda: watcher.statuses("late"), 30)
    assert [event.name for event in watcher.seen].count("reset") == 1
    assert watcher.seen[0].name == "reset" and watcher.statuses("early") == []


def test_a_stopped_web_process_ends_its_streams(client: Client, installation: Installation) -> None:
    client.put_job("job")
    watchers = [all_events(installation), events_of(installation, "job")]
    began = time.monotonic()
    installation.stop("web")
    for watcher in watchers:
        assert watcher.ended.wait(25) and not watcher.broken
    assert time.monotonic() - began < 25


def test_a_client_that_leaves_costs_nothing(client: Client, installation: Installation) -> None:
    client.put_job("job")
    watchers = [all_events(installation) for _ in range(20)]
    server_port, ports = installation.ports[0], {watcher.local_port for watcher in watchers}
    assert held_connections(server_port, ports) == ports
    for watcher in watchers:
        watcher.close()
    wait_for_none("all are gone", lambda: held_connections(server_port, ports))


def test_a_redis_that_goes_and_comes_costs_no_event(
    client: Client, installation: Installation, redis_server: RedisServer
) -> None:
    put_jobs(client, 2)
    with all_events(installation) as watcher:
        fail(client, "job-000")
        watcher.wait_for(1)
        redis_server.kill()
        time.sleep(1)
        redis_server.start()
        fail(client, "job-001")
        watcher.wait_for(2)
        assert watcher.statuses("job-001") == ["failed"] and not watcher.ended.is_set()


@pytest.mark.slow
def test_a_keepalive_comes_before_a_router_hangs_up(installation: Installation) -> None:
    with all_events(installation) as watcher:
        wait_for("a heartbeat", lambda: watcher.comments, 25)


@pytest.mark.slow
def test_a_reader_that_does_not_read_costs_no_memory(
    client: Client, installation: Installation, redis_server: RedisServer
) -> None:
    """It is disconnected, and may resume later."""
    put_jobs(client, 1)
    with all_events(installation) as quick, requests.Session() as session:
        stalled = session.get(
            f"{installation.url}/api/events", headers={"x-key": READ}, stream=True, timeout=30
        )
        (serving,) = installation.web[0].children()
        statm = Path(f"/proc/{serving}/statm")
        before = int(statm.read_text().split()[1])
        with redis_server.client() as redis, redis.pipeline() as pipe:
            for _ in range(5000):
                pipe.xadd(EVENTS, {"id": "job-000", "status": "submitted"})
            pipe.execute()
        quick.wait_for(5000, 40)
        pages = int(statm.read_text().split()[1]) - before
        assert pages * 4096 < 60_000_000
        stalled.close()
