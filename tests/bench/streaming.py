"""What it costs to stream media: a page of pictures, a video seeked, slow readers, callbacks.

Web processes of the Procfile over a directory, a bucket streamed, and a bucket to which browsers
are redirected. The bucket is the server of the tests, on the same machine. Takes two minutes.
"""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import uuid4

import requests

from tests.bench import constant_rate, load
from tests.bench.environment import milliseconds
from tests.bench.memory import MB, peak_memory
from tests.harness import WEBHOOK_SECRET, S3Server, Stack, TestBucket, running_stack

PICTURES = 50
PICTURE_BYTES = 1_000_000
BROWSER_CONNECTIONS = 6
VIDEO_BYTES = 50_000_000
SEEKS = 60
SEEK_BYTES = 1_000_000
SLOW_READERS = 20
SLOW_BYTES_PER_SECOND = 200_000
CALLBACKS_PER_SECOND = 200
CALLBACK_SECONDS = 6
PAGE_ROUNDS = 5
BROWSER = {"Sec-Fetch-Dest": "image"}


def main() -> None:
    print(
        f"| media from | {PICTURES} pictures of 1 MB, ms | seek in a video, p50 ms | p95 "
        f"| web at rest, MB | with {SLOW_READERS} slow readers "
        f"| callbacks, p99 ms | beside the readers |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with TemporaryDirectory(prefix="fluxkeep-bench-") as name:
        directory = Path(name)
        for title, has_bucket, serve in (
            ("a directory", False, "stream"),
            ("a bucket, streamed", True, "stream"),
            ("a bucket, browsers redirected", True, "redirect"),
        ):
            place = directory / title.replace(" ", "-")
            place.mkdir()
            with (
                _bucket(place) as bucket,
                running_stack(
                    place,
                    bucket=bucket if has_bucket else None,
                    MEDIA_SERVE=serve,
                    WEB_CONCURRENCY="2",
                    LOG_LEVEL="WARNING",
                ) as stack,
            ):
                print(f"| {title} | {_measured(stack, place)} |", flush=True)


@contextmanager
def _bucket(directory: Path) -> Iterator[TestBucket]:
    """A bucket of a server of its own."""
    server = S3Server(directory)
    try:
        yield server.bucket(f"keep-{uuid4()}")
    finally:
        server.close()


def _measured(stack: Stack, directory: Path) -> str:
    pictures = _links(stack, "flux-2-pro", PICTURES, "jpeg", PICTURE_BYTES)
    (video,) = _links(stack, "flux-3-video", 1, "mp4", VIDEO_BYTES)
    page = median(milliseconds(lambda: _load_page(pictures)) for _ in range(PAGE_ROUNDS))
    seeks = _seek(video)
    (web,) = stack.installation.web

    def web_processes() -> list[int]:
        return [web.pid, *web.offspring()]

    with peak_memory(web_processes) as at_rest:
        alone = _callbacks(stack, directory)
    with peak_memory(web_processes) as beside_readers, _slow_readers(video):
        beside = _callbacks(stack, directory)
    return (
        f"{page:.0f} | {median(seeks):.1f} | {quantiles(seeks, n=20)[-1]:.1f} "
        f"| {at_rest.bytes / MB:.0f} | {beside_readers.bytes / MB:.0f} "
        f"| {alone.p99:.1f} | {beside.p99:.1f}"
    )


def _links(stack: Stack, model: str, count: int, kind: str, size: int) -> list[str]:
    links = []
    for _ in range(count):  # BFL takes no more than 24 tasks at once
        task = stack.generate(model, life=3600, format=kind, size=size)
        job = stack.client.wait_for(task.id, "stored", timeout=120)
        links.append(str(job["media"][0]["url"]))
    return links


def _load_page(links: Sequence[str]) -> None:
    """Load all pictures over as many connections as a browser opens."""
    with ThreadPoolExecutor(BROWSER_CONNECTIONS) as connections:
        sizes = connections.map(_size_of, links)
        assert all(size >= PICTURE_BYTES for size in sizes)


def _size_of(link: str) -> int:
    return len(requests.get(link, headers=BROWSER, timeout=60).content)


def _seek(video: str) -> list[float]:
    """Milliseconds of ranges anywhere in a video."""
    random = Random(1)

    def read_anywhere() -> None:
        start = random.randrange(VIDEO_BYTES - SEEK_BYTES)
        span = f"bytes={start}-{start + SEEK_BYTES - 1}"
        headers = {"Sec-Fetch-Dest": "video", "Range": span}
        assert len(requests.get(video, headers=headers, timeout=60).content) == SEEK_BYTES

    return [milliseconds(read_anywhere) for _ in range(SEEKS)]


@contextmanager
def _slow_readers(link: str) -> Iterator[None]:
    """Clients without redirects, each of which reads a video as over a bad line."""
    is_over = threading.Event()
    readers = [
        threading.Thread(target=_read_slowly, args=(link, is_over)) for _ in range(SLOW_READERS)
    ]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        is_over.set()
        for reader in readers:
            reader.join()


def _read_slowly(link: str, is_over: threading.Event) -> None:
    address = urlsplit(link)
    request = f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.connect((address.hostname, address.port))
        connection.sendall(request.encode())
        pause = 16_384 / SLOW_BYTES_PER_SECOND
        while not is_over.wait(pause):
            assert connection.recv(16_384)


def _callbacks(stack: Stack, directory: Path) -> constant_rate.Measurement:
    path = directory / "callbacks"
    load.write_callbacks(path, WEBHOOK_SECRET, CALLBACKS_PER_SECOND * CALLBACK_SECONDS)
    began = time.monotonic()
    measurement = constant_rate.run(
        stack.installation.url,
        path,
        rate=CALLBACKS_PER_SECOND,
        seconds=CALLBACK_SECONDS,
    )
    assert time.monotonic() - began < 10 * CALLBACK_SECONDS
    return measurement


if __name__ == "__main__":
    main()
