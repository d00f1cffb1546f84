"""Memory and time to rescue a 300 MB video and to serve it to eight clients."""

import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.bench import stored_files
from tests.bench.bucket_server import bucket_server
from tests.bench.memory import MB, peak_memory
from tests.bench.stored_files import File
from tests.harness import S3Server, TestBucket
from tests.harness.stack import Stack, running_stack

CLIENTS = 8
RANGE_BYTES = 8 * 2**20
CHUNK_BYTES = 2**20
# One web process for all clients; a presigned link would bypass it.
SETTINGS = {"LOG_LEVEL": "WARNING", "WEB_CONCURRENCY": "1", "MEDIA_SERVE": "stream"}


class Figures(NamedTuple):
    """Memory in bytes and times in seconds."""

    worker_image: int
    worker_video: int
    web_before: int
    web_serving: int
    bytes_per_second: float
    rescued_in: float


def main() -> None:
    print("| 300 MB stored in | worker: 1 MB, 300 MB, growth | rescued in s ", end="")
    print("| web: idle, serving, growth | served MB/s |")
    print("|---|---|---|---|---|")
    with TemporaryDirectory(prefix="fluxkeep-bench-") as directory:
        print(_row("a directory", _measured(Path(directory), None)), flush=True)
    with _bucket() as bucket, TemporaryDirectory(prefix="fluxkeep-bench-") as directory:
        print(_row("a bucket, streamed", _measured(Path(directory), bucket)), flush=True)


@contextmanager
def _bucket() -> Iterator[TestBucket]:
    """A bucket of a server that stores objects in its own memory, which is not measured."""
    with TemporaryDirectory(prefix="fluxkeep-bench-") as directory:
        server = S3Server(Path(directory))
        try:
            yield server.bucket("keep")
        finally:
            server.close()


def _measured(directory: Path, bucket: TestBucket | None) -> Figures:
    with running_stack(directory, None, bucket, **SETTINGS) as stack:
        stored_files.image(stack)  # warm up
        with peak_memory(lambda: _working(stack)) as small:
            image = stored_files.image(stack)
        with peak_memory(lambda: _working(stack)) as large:
            video = stored_files.video(stack)
        stack.installation.stop()
        with _reachable(directory / "bucket", bucket, (image, video)) as changed:
            stack.installation.settings |= changed
            stack.installation.start("web")
            stack.installation.wait_until_ready()
            return Figures(small.bytes, large.bytes, *_served(stack, image, video), video.seconds)


@contextmanager
def _reachable(
    root: Path, bucket: TestBucket | None, files: tuple[File, ...]
) -> Iterator[dict[str, str]]:
    """Settings that point the web process to a server with fast range requests."""
    if bucket is None:
        yield {}
        return
    for file in files:
        path = root / bucket.name / bucket.prefix / file.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bucket.read(file.key))
    with bucket_server(root) as url:
        yield {"AWS_ENDPOINT_URL": url}


def _served(stack: Stack, image: File, video: File) -> tuple[int, int, float]:
    """Memory of the web process before and while serving, and bytes per second."""
    _read(image)
    with peak_memory(lambda: _serving(stack)) as before:
        _read(image)
    started = time.perf_counter()
    with peak_memory(lambda: _serving(stack)) as serving, ThreadPoolExecutor(CLIENTS) as clients:
        served = sum(clients.map(_read, [video] * CLIENTS))
    return before.bytes, serving.bytes, served / (time.perf_counter() - started)


def _working(stack: Stack) -> list[int]:
    return [worker.pid for worker in stack.installation.worker]


def _serving(stack: Stack) -> list[int]:
    return [pid for web in stack.installation.web for pid in (web.pid, *web.children())]


def _read(file: File) -> int:
    """Download a file in ranges over one connection; returns its size."""
    url = urlsplit(file.url)
    connection = http.client.HTTPConnection(url.netloc, timeout=60)
    starts = range(0, file.size, RANGE_BYTES)
    spans = (range(at, min(at + RANGE_BYTES, file.size)) for at in starts)
    try:
        return sum(_read_range(connection, url.path, span) for span in spans)
    finally:
        connection.close()


def _read_range(connection: http.client.HTTPConnection, path: str, span: range) -> int:
    connection.request("GET", path, headers={"Range": f"bytes={span[0]}-{span[-1]}"})
    answer, buffer, count = connection.getresponse(), bytearray(CHUNK_BYTES), 0
    assert answer.status == http.client.PARTIAL_CONTENT, answer.status
    while got := answer.readinto(buffer):
        count += got
    assert count == len(span), (count, len(span))
    return count


def _row(name: str, found: Figures) -> str:
    worker = _growth(found.worker_image, found.worker_video)
    web = _growth(found.web_before, found.web_serving)
    rate = found.bytes_per_second / MB
    return f"| {name} | {worker} | {found.rescued_in:.1f} | {web} | {rate:,.0f} |"


def _growth(before: int, after: int) -> str:
    return f"{before / MB:.1f}, {after / MB:.1f}, **{(after - before) / MB:.1f}**"
