"""The places of long polls and event streams are full, and then free again."""

from contextlib import closing

from flask.testing import FlaskClient

from receiver.context import NAME, Parts
from receiver.feed.broker import SUBSCRIBERS_MAX, Broker
from tests.harness.local_worker import LocalWorker


def test_a_request_waits_for_a_place(api: FlaskClient, worker: LocalWorker) -> None:
    worker.post("job")
    parts: Parts = api.application.extensions[NAME]
    with closing(parts.get(Broker)) as broker:
        taken = [broker.subscribe(None, f"key-{n}") for n in range(SUBSCRIBERS_MAX)]
        for path in ("/api/jobs/job?wait=1", "/api/jobs/job/events", "/api/events"):
            answer = api.get(path)
            assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
        broker.unsubscribe(taken.pop())
        assert api.get("/api/jobs/job?wait=1").get_json()["status"] == "queued"
        broker.subscribe(None, "another")  # the wait has given its place back
