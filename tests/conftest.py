"""The situations tests begin in: a Redis, a BFL, a Fluxkeep that runs."""

import gc
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
from redis import Redis

from jobs.storage.bucket import BucketStorage
from jobs.storage.limits import RequestLimits
from jobs.storage.providers import Provider
from tests.harness import (
    Client,
    Installation,
    PostgresServer,
    RedisServer,
    S3Server,
    TestBucket,
    forked,
    prometheus,
    zygote,
)
from tests.harness.redis_server import RedisServers
from tests.sandbox import Sandbox

SLOW_UNTIL = 0.7  # of the other files
# They mostly wait, each for more than half a minute in all: whatever they end after, ends late.
FIRST = (
    "tests/system/test_hangs.py",
    "tests/system/faults/test_bucket_faults.py",
    "tests/system/bad_input/test_slow_clients.py",
    "tests/system/faults/test_a_minute_without_redis.py",
    "tests/system/faults/test_sigterm.py",
)


def pytest_sessionstart() -> None:
    """Make tests independent of the shell and the directory that they are started in."""
    # A shell has what it runs in the background ignore Ctrl-C, and so would what tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    forked.enabled = True
    zygote.compile_templates_once()
    # A busy machine may stop a process for longer than Hypothesis allows an example.
    hypothesis.settings.register_profile("any machine", deadline=None)
    hypothesis.settings.load_profile("any machine")
    os.environ["ENV_FILE"] = os.devnull  # neither a developer's `.env` nor what `make run` made


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector away from thousands of tests, all of which are needed."""
    gc.disable()
    collected = yield
    gc.freeze()
    gc.enable()
    return collected


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files with slow tests, which mostly wait, among most of the others.

    Together they would leave processors idle; at the end one would be left to a single worker.
    """
    files = {item: item.nodeid.partition("::")[0] for item in items}
    slow = dict.fromkeys(files[item] for item in items if item.get_closest_marker("slow"))
    quick = dict.fromkeys(file for file in files.values() if file not in slow)
    places = {file: n * SLOW_UNTIL / len(slow) for n, file in enumerate(slow)}
    places |= {file: n / len(quick) for n, file in enumerate(quick)}
    places |= dict.fromkeys(FIRST, -1.0)
    items.sort(key=lambda item: places[files[item]])
    if missing := prometheus.missing():
        for item in items:
            if item.get_closest_marker("prometheus"):
                item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="module", autouse=True)
def _collected_garbage() -> Iterator[None]:
    """What a module has not closed is an error of that module, not of some later one."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def redis_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServers]:
    """Servers that earlier tests have left as they were."""
    servers = RedisServers(lambda: tmp_path_factory.mktemp("redis"))
    yield servers
    servers.close()


@pytest.fixture
def redis_server(redis_servers: RedisServers) -> Iterator[RedisServer]:
    """A real Redis with an append-only file, on a port of its own; it is empty."""
    with redis_servers.one() as server:
        yield server


@pytest.fixture(scope="module")
def module_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis for all tests of a module."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    """A client of the real Redis."""
    with redis_server.client() as client:
        yield client


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL; each test takes a database of its own."""
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database. What a test does to the server is undone after it."""
    with postgres_server.database() as name:
        yield postgres_server.url(name)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real server of S3's protocol; each test takes a bucket of its own."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.close()


@pytest.fixture
def bucket(s3_server: S3Server) -> TestBucket:
    """An empty bucket."""
    return s3_server.bucket(f"keep-{uuid4()}")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process stages what is on its way into a bucket."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def s3(bucket: TestBucket, temporary: Path) -> BucketStorage:
    """A bucket as Fluxkeep sees it, staging under `temporary`."""
    assert temporary.exists()
    return BucketStorage(Provider(bucket.url, bucket.server.variables, RequestLimits(5.0, 0)))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A local BFL in this process."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def stopped_installation(
    tmp_path: Path, redis_server: RedisServer, sandbox: Sandbox
) -> Iterator[Installation]:
    """A Fluxkeep of which nothing runs yet: change `settings`, then `start`."""
    installation = Installation(tmp_path, redis_server, sandbox.url)
    yield installation
    installation.close()


@pytest.fixture
def installation(stopped_installation: Installation) -> Installation:
    """Web, worker and sweep are running."""
    stopped_installation.start()
    return stopped_installation


@pytest.fixture
def client(installation: Installation) -> Client:
    """Its user, with the admin key and the webhook secret."""
    return installation.client()


@pytest.fixture(params=["directory", "bucket"])
def at_rest(
    request: pytest.FixtureRequest, stopped_installation: Installation, temporary: Path
) -> Installation:
    """Nothing of it runs, so that nothing else puts anything right."""
    assert temporary.exists()
    if request.param == "bucket":
        stopped_installation.keep_in(request.getfixturevalue("bucket"))
    return stopped_installation
