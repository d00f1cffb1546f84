"""`memory://`, for tests within one process: a storage that cannot sign, so its links stream."""

import pytest
from flask.testing import FlaskClient

from jobs import services, sidecars
from jobs.config import settings
from jobs.storage.bucket import BucketStorage
from jobs.storage.layout import sidecar_key
from receiver.app import create_app
from tests.harness import RedisServer
from tests.harness.required_settings import SECRETS
from tests.harness.worker_environment import WorkerEnvironment
from tests.sandbox import Sandbox, Task

KEY = {"x-key": "admin-key-of-tests"}


@pytest.fixture
def worker_env(redis_server: RedisServer, sandbox: Sandbox) -> WorkerEnvironment:
    environment = {
        **SECRETS,
        "BFL_API_KEY": "k",
        "BFL_SANDBOX_URL": sandbox.url,
        "REDIS_URL": redis_server.url,
        "MEDIA_URL": "memory://",
    }
    return WorkerEnvironment(services.for_background(settings.load(environment)), sandbox)


@pytest.fixture
def client(worker_env: WorkerEnvironment) -> FlaskClient:
    return create_app(worker_env.wired).test_client()


@pytest.fixture
def stored(worker_env: WorkerEnvironment) -> Task:
    task = worker_env.ready(size=700_000)
    assert worker_env.take(task)
    return task


def link(client: FlaskClient, task: Task) -> str:
    job = client.get(f"/api/jobs/{task.id}", headers=KEY).get_json()
    url: str = job["media"][0]["url"]
    return url[url.index("/media/") :]


def test_links_stream_from_a_storage_that_cannot_sign(
    worker_env: WorkerEnvironment, client: FlaskClient, stored: Task
) -> None:
    picture = worker_env.box.picture(stored.id)
    answer = client.get(link(client, stored))
    assert (answer.status_code, answer.data) == (200, picture)
    part = client.get(link(client, stored), headers={"Range": "bytes=600000-600009"})
    assert (part.status_code, part.data) == (206, picture[600_000:600_010])


def test_a_job_in_memory_is_explained_and_forgotten_as_elsewhere(
    worker_env: WorkerEnvironment, client: FlaskClient, stored: Task
) -> None:
    job, media = worker_env.job(stored), worker_env.wired.storage
    assert isinstance(media, BucketStorage)
    key = job.media[0].key
    assert b"".join(media.read(sidecar_key(key))) == sidecars.render(job)
    assert client.delete(f"/api/jobs/{stored.id}", headers=KEY).status_code == 204
    assert media.size(key) is None and media.size(sidecar_key(key)) is None
