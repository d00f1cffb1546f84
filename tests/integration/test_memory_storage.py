"""`memory://`, for tests within one process: a storage that cannot sign, so its links stream."""

from pathlib import Path

from redis import Redis

from receiver.app import create_app
from tests.harness.worker_environment import WorkerEnvironment
from tests.sandbox import Sandbox


def test_links_stream_from_a_storage_that_cannot_sign(
    redis: Redis, sandbox: Sandbox, tmp_path: Path
) -> None:
    worker_env = WorkerEnvironment.over(redis, sandbox, tmp_path, MEDIA_URL="memory://")
    task = worker_env.ready(size=700_000)
    assert worker_env.work()
    client, key = create_app(worker_env.services).test_client(), {"x-key": "admin-key-of-tests"}
    (file,) = client.get(f"/api/jobs/{task.id}", headers=key).get_json()["media"]
    link = file["url"][file["url"].index("/media/") :]
    image = sandbox.file(task.id)
    answer = client.get(link)
    assert (answer.status_code, answer.data) == (200, image)
    part = client.get(link, headers={"Range": "bytes=600000-600009"})
    assert (part.status_code, part.data) == (206, image[600_000:600_010])
    assert client.delete(f"/api/jobs/{task.id}", headers=key).status_code == 204
    assert list(worker_env.services.storage.list_objects()) == []
