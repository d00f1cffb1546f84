"""With BFL_API_URL in a region, the API and the worker use no host outside it."""

from pathlib import Path

import pytest
from redis import Redis

from jobs.services import Services
from tests.harness.parts import api_over, services_over
from worker.dispatcher import JobDispatcher

SAMPLE = "https://delivery-us1.bfl.ai/results/a/sample.jpeg?se=2099-01-01T00%3A00%3A00Z&sig=a"


@pytest.fixture
def services(redis: Redis, tmp_path: Path) -> Services:
    """An installation that submits to BFL's European host."""
    own = {"BFL_API_URL": "eu", "BFL_API_KEY": "b", "PUBLIC_URL": "https://fluxkeep.example"}
    return services_over(redis, MEDIA_URL=tmp_path.as_uri(), **own)


@pytest.mark.parametrize(("host", "status"), [("api.eu4", 201), ("api.us1", 422), ("api", 422)])
def test_a_caller_may_name_no_polling_url_outside_the_region(
    services: Services, host: str, status: int
) -> None:
    body = {"polling_url": f"https://{host}.bfl.ai/v1/get_result?id=a"}
    answer = api_over(services).put("/api/jobs/a", json=body)
    assert answer.status_code == status
    assert status == 201 or answer.json["errors"][0]["field"] == "polling_url"  # type: ignore[index]


def test_media_outside_the_region_are_not_fetched_and_the_timeline_says_why(
    services: Services,
) -> None:
    client, secret = api_over(services), {"X-Webhook-Secret": "webhook-secret-of-tests"}
    body = {"id": "a", "status": "Ready", "result": {"sample": SAMPLE}}
    accepted = client.post("/webhooks/bfl", json=body, headers=secret)
    assert accepted.status_code == 200
    assert JobDispatcher(services).process_next()
    job = client.get("/api/jobs/a").json
    assert job is not None and job["status"] == "ready"
    assert "is not in the region eu" in str(job["timeline"])
