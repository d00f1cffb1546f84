"""Media links, `GET /media/<token>`: content, safety headers and expiry."""

from typing import Any

import pytest
import requests
from itsdangerous import URLSafeSerializer

from tests.harness import Stack, wait_for
from tests.sandbox import Task

SIZE_BYTES = 300_000

STORAGES = ("directory", "bucket")


@pytest.fixture(scope="module")
def task(stack: Stack) -> Task:
    """A stored task; its delivery host declared the image as a web page."""
    task = stack.generate(format="jpeg", size=SIZE_BYTES, content_type="text/html")
    stack.stored(task)
    return task


@pytest.fixture(scope="module")
def link(stack: Stack, task: Task) -> str:
    return media_link(stack.client.job(task.id))


@pytest.fixture(scope="module")
def image(stack: Stack, task: Task) -> bytes:
    return stack.sandbox.file(task.id)


def media_link(job: dict[str, Any]) -> str:
    return str(job["media"][0]["url"])


def fetch(url: str, method: str = "GET", **headers: str) -> requests.Response:
    """Fetch without a key, as a browser does."""
    return requests.request(method, url, headers=headers, timeout=30)


def test_a_link_gives_the_very_bytes_bfl_made_without_a_key(link: str, image: bytes) -> None:
    answer, head = fetch(link), fetch(link, "HEAD")
    assert answer.status_code == 200 and answer.content == image
    for name in ("Content-Length", "Content-Type", "ETag", "Content-Security-Policy"):
        assert head.headers[name] == answer.headers[name]
    assert len(image) == SIZE_BYTES == int(answer.headers["Content-Length"])


def test_a_browser_can_neither_guess_a_type_nor_run_anything(link: str) -> None:
    headers = fetch(link).headers
    assert headers["Content-Type"] == "image/jpeg"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; media-src 'self'; sandbox allow-same-origin"
    )


WHOLE, PART = f"bytes 0-{SIZE_BYTES - 1}/{SIZE_BYTES}", f"bytes 0-9/{SIZE_BYTES}"
BEYOND, FEW = f"bytes */{SIZE_BYTES}", "bytes=0-9"
DATE = "Wed, 01 Jan 2099 00:00:00 GMT"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("asked", "status", "span"),
    [
        ({"Range": "bytes=-999999999"}, 206, WHOLE),
        ({"Range": "Bytes=0-9"}, 206, PART),
        ({"Range": "bytes=0-1,3-4"}, 200, None),
        ({"Range": "lines=1-2"}, 200, None),
        ({"Range": "bytes=a-b"}, 200, None),
        ({"Range": "bytes=9-0"}, 200, None),
        ({"Range": "bytes=-"}, 200, None),
        ({"Range": "bytes=-0"}, 416, BEYOND),
        ({"Range": f"bytes={SIZE_BYTES}-"}, 416, BEYOND),
        ({"If-None-Match": "{etag}"}, 304, None),
        ({"Range": FEW, "If-None-Match": "{etag}"}, 304, None),
        ({"Range": FEW, "If-None-Match": '"another"'}, 206, PART),
        ({"Range": FEW, "If-Range": "{etag}"}, 206, PART),
        ({"Range": FEW, "If-Range": "W/{etag}"}, 200, None),
        ({"Range": FEW, "If-Range": DATE}, 200, None),
        ({"Range": FEW, "If-Match": "{etag}"}, 206, PART),
        ({"If-Match": "*"}, 200, None),
        ({"If-Match": "W/{etag}"}, 412, None),
        ({"Range": FEW, "If-Match": '"another"'}, 412, None),
    ],
    ids=str,
)
def test_ranges_and_conditions_are_read_as_the_standard_has_them(
    link: str, image: bytes, method: str, asked: dict[str, str], status: int, span: str | None
) -> None:
    etag = fetch(link, "HEAD").headers["ETag"]
    given = {name: value.replace("{etag}", etag) for name, value in asked.items()}
    answer = fetch(link, method, **given)
    assert (answer.status_code, answer.headers.get("Content-Range")) == (status, span)
    whole_or_part = {200: image, 206: image if span == WHOLE else image[:10]}
    if method == "GET" and status in whole_or_part:
        assert answer.content == whole_or_part[status]
    else:
        assert image[:10] not in answer.content
    assert method == "GET" or answer.content == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_link_is_for_reading_only(link: str, method: str) -> None:
    assert fetch(link, method).status_code == 405


def test_a_link_to_a_file_of_no_job_is_gone(stack: Stack, task: Task, link: str) -> None:
    key = str(stack.installation.settings["SECRET_KEY"])
    signer = URLSafeSerializer(key, salt="fluxkeep media link 1")
    for payload in ([task.id, 1, 2**40], ["unknown", 0, 2**40]):
        token = signer.dumps(payload)
        assert fetch(f"{link.rpartition('/')[0]}/{token}").status_code == 410


def test_an_expired_link_is_gone_and_a_new_one_works(stack: Stack, task: Task) -> None:
    stack.installation.start("web", LINK_TTL="1")
    brief = stack.installation.client(url=stack.installation.urls[1])
    link = media_link(brief.job(task.id))
    wait_for("the link has expired", lambda: fetch(link).status_code == 410)
    assert fetch(media_link(stack.client.job(task.id))).status_code == 200


def test_a_file_that_is_no_longer_there_is_gone(stack: Stack) -> None:
    task = stack.generate()
    link = media_link(stack.stored(task))
    stack.installation.stored_objects.remove(stack.keys(task)[0])
    answer = fetch(link)
    assert answer.status_code == 410
    assert answer.headers["Content-Type"] == "application/problem+json"
