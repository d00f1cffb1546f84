"""The check of redirected media links names an address that browsers elsewhere cannot reach."""

import pytest

from jobs.config import settings
from receiver.checks import media_links
from receiver.checks.context import Context
from receiver.checks.result import Grade, Result
from tests.harness.required_settings import REQUIRED

S3 = {
    "MEDIA_URL": "s3://keep",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "planted-canary",
    "AWS_REGION": "eu-central-1",
    "AWS_ALLOW_HTTP": "true",
}


def results(**variables: str) -> list[Result]:
    return list(media_links.check(Context(settings.load(REQUIRED | S3 | variables))))


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("http://s3.example.com", "plain http"),
        ("https://10.0.0.7:9000", "not on the internet"),
        ("https://[fd00::7]:9000", "not on the internet"),
        ("https://169.254.1.1", "not on the internet"),
        ("https://minio:9000", "only this network knows"),
        ("https://nas.local", "only this network knows"),
        ("https://localhost:9000", "only this network knows"),
    ],
)
def test_a_redirect_to_an_address_of_this_network_is_warned_of(endpoint: str, why: str) -> None:
    (result,) = results(MEDIA_SERVE="redirect", AWS_ENDPOINT_URL=endpoint)
    assert result.grade is Grade.WARNING
    assert why in result.why and "MEDIA_SERVE=stream" in result.remedy
    assert "planted-canary" not in str(result) and "Signature" not in str(result)


@pytest.mark.parametrize("endpoint", ["", "https://s3.example.com", "https://8.8.8.8"])
def test_a_redirect_to_a_public_address_is_fine(endpoint: str) -> None:
    given = {"AWS_ENDPOINT_URL": endpoint} if endpoint else {}
    (result,) = results(MEDIA_SERVE="redirect", **given)
    assert result.grade is Grade.OK


def test_nothing_is_said_where_media_are_streamed() -> None:
    assert results(AWS_ENDPOINT_URL="http://minio:9000") == []
