"""Deliveries of the sandbox, and their faults."""

import hashlib
from base64 import b64encode
from contextlib import closing
from datetime import datetime
from http.client import HTTPConnection
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

import pytest
import requests

from tests.integration.sandbox.clients import KEY, fetched, finished, polled, sample, until
from tests.sandbox import Sandbox


def test_a_delivery_can_be_verified(box: Sandbox) -> None:
    task = finished(box)
    answer = fetched(box, task)
    digest = hashlib.md5(answer.content, usedforsecurity=False).digest()
    assert answer.content == box.picture(task.id)
    assert answer.headers["Content-MD5"] == b64encode(digest).decode()
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert until(lambda: box.task(task.id).deliveries[0].over)
    assert box.task(task.id).deliveries[0].sent == len(answer.content)


def test_a_url_lives_exactly_as_long_as_its_se_says(box: Sandbox) -> None:
    task = finished(box)
    query = parse_qs(urlsplit(sample(box, task)).query)
    ends = datetime.fromisoformat(query["se"][0]).timestamp()
    assert task.finished_at is not None and 600 <= ends - task.finished_at < 601


def test_only_the_very_url_opens_the_media(box: Sandbox) -> None:
    url = sample(box, finished(box))
    raw = url.partition("&sig=")[2]
    assert "/" in raw and "%2B" in raw and "%3D" in raw
    for other in (url.replace("%2B", "%2b"), url.replace("image/jpeg", "image%2Fjpeg"), url[:-3]):
        assert b"AuthenticationFailed" in fetched_to_the_byte(other)
    assert fetched_to_the_byte(url)[:2] == b"\xff\xd8"


def fetched_to_the_byte(url: str) -> bytes:
    """Where requests would tidy the URL up."""
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.netloc, timeout=5)) as connection:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return connection.getresponse().read()


def test_a_key_on_the_delivery_path_is_refused_and_on_record(box: Sandbox) -> None:
    task = finished(box)
    assert fetched(box, task, **KEY).status_code == 400
    leaks = [seen for seen in box.requests if seen.path.startswith("/results/") and seen.has_key]
    assert len(leaks) == 1
    box.settings.delivery_refuses_keys = False
    assert fetched(box, task, **KEY).status_code == 200


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=99999999-", 416, slice(0, 0)),
        ("lines=1-2", 200, slice(None)),
    ],
)
def test_ranges_are_served(box: Sandbox, asked: str, status: int, part: slice) -> None:
    task = finished(box)
    answer = fetched(box, task, Range=asked)
    assert (answer.status_code, answer.content) == (status, box.picture(task.id)[part])


@pytest.mark.parametrize("size", [0, 60_000, 60_001, 200_003, 300_000])
@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "mp4"])
def test_media_has_the_wanted_size_and_is_well_formed(box: Sandbox, form: str, size: int) -> None:
    picture = box.picture(finished(box, format=form, size=size).id)
    even = size % 2 if form == "webp" else 0
    assert len(picture) == size + even or (size == 0 and len(picture) < 60_000)
    {"jpeg": check_jpeg, "png": check_png, "webp": check_webp, "mp4": check_mp4}[form](picture)


def check_jpeg(picture: bytes) -> None:
    assert picture[:3] == b"\xff\xd8\xff" and picture[-2:] == b"\xff\xd9"


def check_png(picture: bytes) -> None:
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(picture):
        end = at + 8 + int.from_bytes(picture[at : at + 4], "big")
        assert crc32(picture[at + 4 : end]) == int.from_bytes(picture[end : end + 4], "big")
        at = end + 4


def check_webp(picture: bytes) -> None:
    assert (picture[:4], picture[8:12]) == (b"RIFF", b"WEBP")
    assert int.from_bytes(picture[4:8], "little") == len(picture) - 8


def check_mp4(picture: bytes) -> None:
    at, boxes = 0, []
    while at < len(picture):
        boxes.append(picture[at + 4 : at + 8])
        at += int.from_bytes(picture[at : at + 4], "big")
    assert at == len(picture) and boxes[0] == b"ftyp" and b"moov" in boxes


def test_an_expired_url_is_signed_again_unless_it_is_not(box: Sandbox) -> None:
    task = box.submit(switches={"life": 1})
    until(lambda: not box.task(task.id).active)
    assert fetched(box, task).status_code == 200
    first = sample(box, task)
    until(lambda: requests.get(first, timeout=5).status_code == 403)
    assert fetched(box, task).status_code == 200
    assert sample(box, task) != first
    assert fetched(box, finished(box, life=-1, resign=False)).status_code == 403


def test_a_broken_delivery_heals_after_its_count(box: Sandbox) -> None:
    task = finished(box, delivery_500=1, reset=1, short_body=1, wrong_md5=1, size=400_000)
    assert fetched(box, task).status_code == 500
    for _ in ("reset", "short body"):
        with pytest.raises(requests.RequestException):
            fetched(box, task)
    assert fetched(box, task).headers["Content-MD5"] == "AAAAAAAAAAAAAAAAAAAAAA=="
    assert fetched(box, task).content == box.picture(task.id)


def test_a_body_without_a_length_is_cut_in_silence(box: Sandbox) -> None:
    task = finished(box, no_length=True, short_body=1, no_md5=True)
    assert len(fetched(box, task).content) == len(box.picture(task.id)) // 2
    assert len(fetched(box, task).content) == len(box.picture(task.id))


def test_a_dripped_body_is_slow_and_seen_while_it_flows(box: Sandbox) -> None:
    task = finished(box, drip=2000)
    with requests.get(sample(box, task), stream=True, timeout=5) as answer:
        assert answer.status_code == 200
        until(lambda: box.task(task.id).deliveries[0].sent > 200)
        assert not box.task(task.id).deliveries[0].over


def test_odd_answers_are_served_as_ordered(box: Sandbox) -> None:
    assert fetched(box, finished(box, redirect="http://127.0.0.1:1/")).status_code == 302
    assert fetched(box, finished(box, delivery_status=404)).status_code == 404
    assert fetched(box, finished(box, body="<svg/>", content_type="image/png")).text == "<svg/>"
    packed = fetched(box, finished(box, gzip=True))
    assert packed.headers["Content-Encoding"] == "gzip" and packed.content[:2] == b"\xff\xd8"
    hostile = finished(box, sample_url="file:///etc/passwd")
    assert sample(box, hostile) == "file:///etc/passwd"
    missing = polled(box, finished(box, sample="missing").id).json()
    assert missing["status"] == "Ready" and "sample" not in missing["result"]
    with requests.get(sample(box, finished(box, too_large=True)), stream=True, timeout=5) as big:
        assert int(big.headers["Content-Length"]) == 2**40
