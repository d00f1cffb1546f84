"""`memory://`, for tests within one process: a storage that cannot sign, so its links stream."""

from pathlib import Path

from redis import Redis

from tests.harness.local_worker import LocalWorker
from tests.harness.parts import api_over
from tests.sandbox import Sandbox


def test_links_stream_from_a_storage_that_cannot_sign(
    redis: Redis, sandbox: Sandbox, tmp_path: Path
) -> None:
    worker = LocalWorker.over(redis, sandbox, tmp_path, MEDIA_URL="memory://")
    task = worker.ready(size=700_000)
    assert worker.work()
    client = api_over(worker.services)
    (file,) = client.get(f"/api/jobs/{task.id}").get_json()["media"]
    link = file["url"][file["url"].index("/media/") :]
    image = sandbox.file(task.id)
    answer = client.get(link)
    assert (answer.status_code, answer.data) == (200, image)
    part = client.get(link, headers={"Range": "bytes=600000-600009"})
    assert (part.status_code, part.data) == (206, image[600_000:600_010])
    assert client.delete(f"/api/jobs/{task.id}").status_code == 204
    assert list(worker.storage.list_objects()) == []
