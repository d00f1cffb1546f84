"""With BFL_API_URL in a region, the API and the worker use no host outside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from jobs import services as wiring
from jobs.config.settings import load
from jobs.services import Services
from receiver import create_app
from tests.harness import RedisServer
from tests.harness.required_settings import SECRETS
from tests.harness.worker_environment import process_one

KEY = {"x-key": "admin-key-of-tests"}
SAMPLE = "https://delivery-us1.bfl.ai/results/a/sample.jpeg?se=2099-01-01T00%3A00%3A00Z&sig=a"
ENVIRONMENT = {**SECRETS, "BFL_API_KEY": "b", "PUBLIC_URL": "https://fluxkeep.example"}


@pytest.fixture
def in_europe(redis_server: RedisServer, tmp_path: Path) -> Iterator[Services]:
    """An installation that submits to BFL's European host."""
    here = {"BFL_API_URL": "eu", "MEDIA_URL": (tmp_path / "media").as_uri()}
    built = wiring.Services(load(ENVIRONMENT | here), redis_server.client())
    yield built
    built.redis.close()


@pytest.fixture
def client(in_europe: Services) -> FlaskClient:
    return create_app(in_europe).test_client()


@pytest.mark.parametrize(("host", "status"), [("api.eu4", 201), ("api.us1", 422), ("api", 422)])
def test_a_caller_may_name_no_polling_url_outside_the_region(
    client: FlaskClient, host: str, status: int
) -> None:
    body = {"polling_url": f"https://{host}.bfl.ai/v1/get_result?id=a"}
    answer = client.put("/api/jobs/a", json=body, headers=KEY)
    assert answer.status_code == status
    assert status == 201 or answer.json["errors"][0]["field"] == "polling_url"  # type: ignore[index]


def test_media_outside_the_region_are_not_fetched_and_the_timeline_says_why(
    client: FlaskClient, in_europe: Services
) -> None:
    callback_body = {
        "id": "a",
        "status": "Ready",
        "result": {"sample": SAMPLE},
    }
    accepted = client.post(
        "/webhooks/bfl", json=callback_body, headers={"X-Webhook-Secret": "webhook-secret-of-tests"}
    )
    assert accepted.status_code == 200
    assert process_one(in_europe)
    job = client.get("/api/jobs/a", headers=KEY).json
    assert job is not None and job["status"] == "ready"
    assert "is not in the region eu" in str(job["timeline"])
