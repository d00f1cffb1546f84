"""Providers of buckets: their variables, and plain HTTP."""

import pytest

from jobs.domain.errors import InvalidSettings
from jobs.storage.bucket import BucketStorage
from jobs.storage.providers import Provider
from tests.harness.publishing import QUICK


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3"])
def test_plain_http_needs_loopback_or_the_setting(name: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    for host in ("127.0.0.1:9000", "localhost", "[::1]:9000"):
        Provider("s3://keep", {**keys, name: f"http://{host}"}, QUICK).open()
    with pytest.raises(InvalidSettings, match="AWS_ENDPOINT_URL"):
        Provider("s3://keep", {**keys, name: "http://minio.internal:9000"}, QUICK)
    asked = {**keys, name: "http://minio.internal:9000", "AWS_ALLOW_HTTP": "true"}
    Provider("s3://keep", asked, QUICK).open()


def test_each_provider_is_known_by_its_usual_variables() -> None:
    azure = {"AZURE_STORAGE_ACCOUNT_NAME": "mine", "AZURE_STORAGE_ACCOUNT_KEY": "bm90aGluZw=="}
    for url, variables in (("az://keep/here", azure), ("gs://keep/here", {})):
        BucketStorage(Provider(url, variables, QUICK))
    with pytest.raises(InvalidSettings, match="MEDIA_URL"):
        BucketStorage(Provider("az://keep", {}, QUICK))


def test_a_key_that_makes_no_sense_is_not_quoted() -> None:
    azure = {"AZURE_STORAGE_ACCOUNT_NAME": "mine", "AZURE_STORAGE_ACCOUNT_KEY": "canary!"}
    with pytest.raises(InvalidSettings, match="MEDIA_URL") as caught:
        BucketStorage(Provider("az://keep", azure, QUICK))
    assert "canary" not in str(caught.value)
