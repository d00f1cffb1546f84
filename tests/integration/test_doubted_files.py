"""Files whose headers or last bytes contradict them: fetched twice, and then they are kept."""

import base64
import gzip
from typing import Any

import pytest

from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.domain.timeline import EventCode
from tests.harness.local_worker import LocalWorker
from tests.sandbox.formats import JPEGS, MP4, WEBP

JPEG = JPEGS[0]


def delivered(body: bytes, **headers: str) -> dict[str, Any]:
    """Switches of a task that delivers these bytes, without a digest of the sandbox's own."""
    return {
        "body_base64": base64.b64encode(body).decode(),
        "no_md5": True,
        "delivery_headers": {name.replace("_", "-"): value for name, value in headers.items()},
    }


def stored(job: Job, worker: LocalWorker) -> bytes:
    assert job.status is Status.STORED
    return b"".join(worker.storage.read(job.media[0].key))


DOUBTED: dict[str, tuple[bytes, dict[str, str]]] = {
    "the MD5 of an older version": (JPEG, {"Content_MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}),
    "a JPEG without its end": (JPEG[:-2], {}),
    "an MP4 with zeros behind it": (MP4 + bytes(4), {}),
    "a WebP without its padding": (WEBP[:-1], {}),
}


@pytest.mark.parametrize(("body", "headers"), DOUBTED.values(), ids=DOUBTED)
def test_the_same_bytes_twice_are_kept_and_the_timeline_says_why(
    worker: LocalWorker, body: bytes, headers: dict[str, str]
) -> None:
    task = worker.ready(**delivered(body, **headers))
    worker.work()
    job = worker.job(task)
    assert stored(job, worker) == body
    assert worker.downloads(task) == 2
    (line,) = [line for line in job.timeline if line.event is EventCode.RESCUE_FILE_DOUBTED]
    assert line.detail["file"] == 0 and line.detail["reason"]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
@pytest.mark.parametrize(("body", "headers"), DOUBTED.values(), ids=DOUBTED)
def test_bytes_that_came_once_are_kept_when_their_url_dies(
    worker: LocalWorker, body: bytes, headers: dict[str, str], status: int
) -> None:
    dies = {"delivery_status": status, "delivery_status_from": 1}
    task = worker.ready(**delivered(body, **headers), **dies)
    worker.work()
    job = worker.job(task)
    assert stored(job, worker) == body
    assert worker.downloads(task) == 2
    assert EventCode.RESCUE_FILE_DOUBTED in [line.event for line in job.timeline]
    assert not list(worker.storage.staging_directory.path.glob("*"))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_bytes_that_came_once_wait_for_the_second_download_while_the_url_lives(
    worker: LocalWorker, status: int
) -> None:
    fails = {"delivery_status": status, "delivery_status_from": 1, "delivery_status_times": 3}
    task = worker.ready(**delivered(JPEG[:-2]), **fails)
    worker.work()
    assert worker.job(task).status is Status.READY
    assert not list(worker.storage.staging_directory.path.glob("*"))


PLAIN: dict[str, tuple[bytes, dict[str, str]]] = {
    "an empty coding": (JPEG, {"Content_Encoding": ""}),
    "a coding that is none": (JPEG, {"Content_Encoding": "aws-chunked"}),
    "gzip over plain bytes": (JPEG, {"Content_Encoding": "gzip"}),
    "a real gzip body": (gzip.compress(JPEG), {"Content_Encoding": "gzip"}),
    "an empty MD5": (JPEG, {"Content_MD5": ""}),
}


@pytest.mark.parametrize(("body", "headers"), PLAIN.values(), ids=PLAIN)
def test_headers_that_say_nothing_cost_no_second_download(
    worker: LocalWorker, body: bytes, headers: dict[str, str]
) -> None:
    task = worker.ready(**delivered(body, **headers))
    worker.work()
    job = worker.job(task)
    assert stored(job, worker) == JPEG
    assert worker.downloads(task) == 1
    assert EventCode.RESCUE_FILE_DOUBTED not in [line.event for line in job.timeline]


def test_a_second_download_without_doubt_replaces_the_first(worker: LocalWorker) -> None:
    task = worker.ready(wrong_md5=1)
    worker.work()
    job = worker.job(task)
    assert stored(job, worker) == worker.sandbox.file(task.id, 0)
    assert worker.downloads(task) == 2
    assert EventCode.RESCUE_FILE_DOUBTED not in [line.event for line in job.timeline]


def test_a_body_that_was_cut_is_never_kept_however_often_it_comes(worker: LocalWorker) -> None:
    for fault in ({"short_body": 10}, {"short_body": 10, "no_length": True, "no_md5": True}):
        task = worker.ready(**fault)
        worker.work()
        assert worker.job(task).status is Status.READY and worker.downloads(task) == 3
        assert list(worker.media_root.rglob("*.jpg")) == []


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    content = b"".join((major, bytes(4), *compatible))
    return (8 + len(content)).to_bytes(4, "big") + b"ftyp" + content


def heif(*brands: bytes) -> bytes:
    """An image of 640 x 480 with a tile, its pixels left out."""

    def box(kind: bytes, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return (8 + len(content)).to_bytes(4, "big") + kind + content

    def extent(width: int, height: int) -> bytes:
        return box(b"ispe", bytes(4), width.to_bytes(4, "big"), height.to_bytes(4, "big"))

    properties = box(b"iprp", box(b"ipco", extent(64, 64), extent(640, 480)))
    return ftyp(*brands) + box(b"meta", bytes(4), properties) + box(b"mdat", bytes(99))


@pytest.mark.parametrize(
    ("brands", "content_type", "extension"),
    [
        ((b"avif", b"mif1", b"miaf"), "image/avif", "avif"),
        ((b"avis", b"msf1"), "image/avif", "avif"),
        ((b"mif1", b"mif1", b"avif"), "image/avif", "avif"),
        ((b"heic", b"mif1"), "image/heic", "heic"),
        ((b"mif1", b"heic"), "image/heic", "heic"),
        ((b"msf1", b"hevc"), "image/heic", "heic"),
        ((b"mif1",), "image/heif", "heif"),
    ],
)
def test_brands_tell_images_from_videos(
    worker: LocalWorker, brands: tuple[bytes, ...], content_type: str, extension: str
) -> None:
    body = heif(*brands)
    task = worker.ready(**delivered(body))
    worker.work(draws=True)
    job = worker.job(task)
    assert stored(job, worker) == body and worker.downloads(task) == 1
    (file,) = job.media
    assert (file.content_type, file.width, file.height) == (content_type, 640, 480)
    assert file.key.endswith(f".{extension}") and file.thumbnail is None
    assert job.thumbnails.due_at is None


@pytest.mark.parametrize("major", [b"isom", b"mp42", b"M4V ", b"qt  ", b"iso6", b"av01", b"dash"])
def test_other_brands_are_videos(worker: LocalWorker, major: bytes) -> None:
    task = worker.ready(**delivered(ftyp(major, b"isom") + MP4[MP4.index(b"moov") - 4 :]))
    worker.work()
    assert worker.job(task).media[0].content_type == "video/mp4"
