"""Storage without a server: keys, ranges, errors, and the variables of providers."""

import errno
from itertools import accumulate, cycle, pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from jobs.domain.errors import InvalidSettings, StorageError, StorageFull, StorageMisconfigured
from jobs.storage.bucket import BucketStorage, cut_range
from jobs.storage.error_translation import translate_errors
from jobs.storage.layout import ObjectKind, kind_of
from jobs.storage.providers import Provider, sends_plain_http
from tests.harness.publishing import QUICK


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("2026/01/01/a_b-c-0-1763805600123456.jpg", ObjectKind.MEDIA),
        ("2026/01/01/a-12-1.json", ObjectKind.SIDECAR),
        ("2026/01/01/a-0-1.thumb.webp", ObjectKind.THUMBNAIL),
        ("2026/01/01/a-0-1.bin", ObjectKind.MEDIA),
        ("2026/01/01/a.json", None),
        ("2026/01/01/a-0.jpg", None),
        ("package.json", None),
        ("2026/01/01/a-0-1.exe", None),
        ("2026/01/01/a-0-1.jpg\n", None),
        ("2026/01/01/../a-0-1.jpg", None),
    ],
)
def test_what_is_ours_is_known_by_its_key(key: str, meant: ObjectKind | None) -> None:
    assert kind_of(key) is meant


BODY = bytes(range(100))


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1),
    start=st.integers(0, 120),
    length=st.none() | st.integers(0, 120),
)
def test_pieces_do_not_change_a_range(sizes: list[int], start: int, length: int | None) -> None:
    stop = None if length is None else start + length
    ends = [*takewhile(lambda end: end < len(BODY), accumulate(cycle(sizes))), len(BODY)]
    pieces = (BODY[begin:end] for begin, end in pairwise([0, *ends]))
    assert b"".join(cut_range(pieces, start, stop)) == BODY[start:stop]


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, ""), True),
        (OSError(errno.EDQUOT, ""), True),
        (OSError(errno.EACCES, ""), False),
        (BaseError("Server returned non-2xx status code: 507 Insufficient Storage"), True),
        (BaseError("status code: 500 <Code>InternalError</Code>"), False),
        (PermissionDeniedError("status code: 403 <Code>QuotaExceeded</Code>"), True),
        (BaseError("status code: 400 <Code>EntityTooLarge</Code>"), False),
        (PermissionDeniedError("status code: 403 <Code>AccessDenied</Code>"), False),
    ],
)
def test_a_storage_without_room_is_told_from_a_broken_one(error: Exception, is_full: bool) -> None:
    with pytest.raises(StorageError) as caught, translate_errors():
        raise error
    assert isinstance(caught.value, StorageFull) is is_full


@pytest.mark.parametrize(
    ("text", "stops_the_start"),
    [
        ("status code: 403 <Code>InvalidAccessKeyId</Code>", True),
        ("status code: 403 <Code>SignatureDoesNotMatch</Code>", True),
        ("status code: 403 <Code>AccessDenied</Code>", True),
        ("status code: 404 <Code>NoSuchBucket</Code>", True),
        ("error sending request for url (http://169.254.169.254/latest)", True),
        ("status code: 503 from http://169.254.169.254/latest", False),
        ("status code: 403 <Code>RequestTimeTooSkewed</Code>", False),
        ("status code: 403 <Code>AuthenticationFailed</Code>Request date header too old", False),
        ("status code: 400 <Code>ExpiredToken</Code>", False),
        ("status code: 403 Forbidden", False),
        ("status code: 401 Unauthorized", False),
        ("status code: 500 <Code>InternalError</Code>", False),
        ("status code: 503 <Code>SlowDown</Code>", False),
        ("status code: 429 <Code>TooManyRequests</Code>", False),
        ("operation timed out", False),
    ],
)
@pytest.mark.parametrize("kind", [BaseError, PermissionDeniedError, UnauthenticatedError])
def test_only_what_cannot_pass_by_itself_stops_a_start(
    kind: type[Exception], text: str, *, stops_the_start: bool
) -> None:
    with pytest.raises(StorageError) as caught, translate_errors():
        raise kind(text)
    assert isinstance(caught.value, StorageMisconfigured) is stops_the_start


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_ENDPOINT_URL_S3"])
def test_plain_http_is_what_an_endpoint_says_unless_it_is_forbidden(name: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    for host in ("127.0.0.1:9000", "localhost", "[::1]:9000"):
        Provider("s3://keep", {**keys, name: f"http://{host}"}, QUICK).open()
    elsewhere = {**keys, name: "http://minio.internal:9000"}
    Provider("s3://keep", elsewhere, QUICK).open()
    assert sends_plain_http("s3://keep", elsewhere)
    assert not sends_plain_http("s3://keep", {**keys, name: "http://127.0.0.1:9000"})
    assert not sends_plain_http("s3://keep", {**keys, name: "https://minio.internal:9000"})
    with pytest.raises(InvalidSettings, match="AWS_ENDPOINT_URL"):
        Provider("s3://keep", {**elsewhere, "AWS_ALLOW_HTTP": "false"}, QUICK)
    for scheme in ("http", "https"):
        with pytest.raises(InvalidSettings, match="AWS_ENDPOINT_URL"):
            Provider("s3://keep", {**keys, name: f"{scheme}://[::1"}, QUICK)


def test_each_provider_is_known_by_its_usual_variables() -> None:
    azure = {"AZURE_STORAGE_ACCOUNT_NAME": "mine", "AZURE_STORAGE_ACCOUNT_KEY": "bm90aGluZw=="}
    for url, variables in (("az://keep/here", azure), ("gs://keep/here", {})):
        BucketStorage(Provider(url, variables, QUICK))
    with pytest.raises(InvalidSettings, match="MEDIA_URL"):
        BucketStorage(Provider("az://keep", {}, QUICK))
    nonsense = azure | {"AZURE_STORAGE_ACCOUNT_KEY": "canary!"}
    with pytest.raises(InvalidSettings, match="MEDIA_URL") as caught:
        BucketStorage(Provider("az://keep", nonsense, QUICK))
    assert "canary" not in str(caught.value)
