"""A wrong bucket stops the start with a sentence; one that does not answer does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Installation, RedisServer, S3Server, TestBucket, wait_for

EVERY_PROCESS = pytest.mark.parametrize("name", ["web", "worker", "sweep"])


@pytest.fixture
def stopped(
    tmp_path: Path, redis_server: RedisServer, bucket: TestBucket
) -> Iterator[Installation]:
    installation = Installation(tmp_path, redis_server)
    installation.keep_in(bucket)
    yield installation
    installation.close()


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """It takes nobody's key."""
    server = S3Server(tmp_path_factory.mktemp("strict"), strict=True)
    yield server
    server.close()


def start_error(installation: Installation, process_name: str, **settings: str) -> str:
    installation.settings |= settings
    (process,) = installation.start(process_name, wait=False)
    assert process.wait(30) != 0
    (line,) = [line for line in process.output().splitlines() if "cannot start" in line]
    return line


@EVERY_PROCESS
def test_a_bucket_that_does_not_exist_stops_the_start(stopped: Installation, name: str) -> None:
    message = start_error(stopped, name, MEDIA_URL="s3://no-such-bucket")
    assert message == "Fluxkeep cannot start: MEDIA_URL: the bucket does not exist"


@EVERY_PROCESS
def test_wrong_credentials_stop_the_start(
    stopped: Installation, strict_server: S3Server, name: str
) -> None:
    message = start_error(stopped, name, AWS_ENDPOINT_URL=strict_server.url)
    assert message.startswith("Fluxkeep cannot start: MEDIA_URL: the bucket denies access")
    assert "s3-key-id" not in message


def test_half_a_credential_stops_the_start(stopped: Installation) -> None:
    stopped.settings["AWS_SECRET_ACCESS_KEY"] = None
    assert "MEDIA_URL: the bucket cannot be used" in start_error(stopped, "sweep")


def test_a_secret_may_lie_in_a_file(stopped: Installation, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{stopped.settings['AWS_SECRET_ACCESS_KEY']}\n")
    stopped.settings["AWS_SECRET_ACCESS_KEY"] = None
    stopped.start("web", AWS_SECRET_ACCESS_KEY_FILE=str(secret))


def test_a_bucket_that_does_not_answer_is_reported_and_awaited(stopped: Installation) -> None:
    stopped.settings["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
    stopped.start()
    message = "storage: the bucket does not answer"
    for name in ("worker", "sweep"):
        wait_for(name, lambda name=name: message in stopped.logs(name))  # type: ignore[misc]
    assert stopped.worker and stopped.sweep and stopped.web
