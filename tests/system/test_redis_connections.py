"""The ways to Redis: over TLS, by Sentinel, by Valkey's names; a whole Fluxkeep on each."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jobs.config.settings import load
from jobs.domain.errors import StoreUnavailable
from jobs.services import for_web
from tests.harness import Installation, RedisServer, Stack, free_port, wait_for
from tests.harness.doctor_output import NEEDED
from tests.harness.sentinel import Watched
from tests.harness.tls import TlsFront
from tests.sandbox import Sandbox


@pytest.mark.slow
def test_an_odd_option_of_redis_stops_the_web_process(
    stopped_installation: Installation,
) -> None:
    url = f"{stopped_installation.redis.url}?planted=canary"
    (web,) = stopped_installation.start("web", wait=False, REDIS_URL=url)
    assert web.wait() == 1  # gunicorn's master checks it, as all settings
    assert "cannot start: REDIS_URL: has an option that makes no sense" in web.output()
    assert "canary" not in web.output()


@pytest.fixture
def tls(redis_server: RedisServer, tmp_path: Path) -> Iterator[TlsFront]:
    with TlsFront(redis_server.port, tmp_path) as front:
        yield front


@pytest.fixture
def secure_url(redis_server: RedisServer, tls: TlsFront) -> str:
    return redis_server.url_through(tls.port).replace("redis://", "rediss://")


def answers(url: str, **settings: str) -> bool:
    services = for_web(load(NEEDED | {"REDIS_URL": url, "MEDIA_URL": "memory://"} | settings))
    with closing(services.redis):
        try:
            services.health_probes.ping()
        except StoreUnavailable:
            return False
    return True


def test_a_certificate_that_signed_itself_is_trusted_when_it_is_named_or_not_to_be_checked(
    secure_url: str, tls: TlsFront
) -> None:
    assert not answers(secure_url)
    assert answers(f"{secure_url}?ssl_ca_certs={tls.certificate}")
    assert answers(secure_url.replace("rediss:", "valkeys:") + f"?ssl_ca_certs={tls.certificate}")
    assert answers(f"{secure_url}?ssl_cert_reqs=none")
    assert answers(secure_url, REDIS_VERIFY="no")


def test_a_server_without_tls_is_not_answered_in_the_clear(redis_server: RedisServer) -> None:
    assert not answers(redis_server.url.replace("redis://", "rediss://"), REDIS_VERIFY="no")


@pytest.mark.slow
def test_all_works_over_tls(
    stopped_installation: Installation, sandbox: Sandbox, secure_url: str
) -> None:
    stopped_installation.settings |= {"REDIS_URL": secure_url, "REDIS_VERIFY": "no"}
    stopped_installation.start()
    stopped_installation.wait_until_ready(path="/readyz")
    stack = Stack(sandbox, stopped_installation)
    stack.stored(stack.generate())


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    redis = Watched(tmp_path / "redis")
    yield redis
    redis.close()


@pytest.mark.slow
def test_when_the_primary_dies_everything_goes_on_with_its_replica(
    tmp_path: Path, watched: Watched, sandbox: Sandbox
) -> None:
    with closing(Installation(tmp_path, watched.primary, sandbox.url)) as installation:
        installation.settings |= {"REDIS_URL": watched.url}
        installation.start()
        installation.wait_until_ready(path="/readyz")
        stack = Stack(sandbox, installation)
        before = stack.stored(stack.generate())
        with watched.replica.client() as replica:
            record = f"fluxkeep:job:{before['id']}"
            wait_for("it is copied", lambda: replica.exists(record))
        watched.primary.kill()
        wait_for("a new primary", lambda: stack.client.get("/readyz").ok, 60)
        stack.stored(stack.generate(), 60)
        assert stack.client.job(before["id"])["status"] == "stored"
        assert all(installation.running[name][0].alive for name in installation.commands)


def test_without_any_sentinel_it_is_an_outage_like_any_other() -> None:
    url = f"redis+sentinel://127.0.0.1:{free_port()}/keep"
    assert not answers(url)
