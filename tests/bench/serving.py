"""Serving stored files from a directory, compared with nginx."""

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.bench import load, nginx, stored_files
from tests.bench.load import Fetched
from tests.bench.memory import MB
from tests.bench.stored_files import File
from tests.harness.stack import running_stack

TURNS = 3
SECONDS = 3
RANGE_BYTES = 8 * 2**20
MISSING = "Not measured: this benchmark needs nginx (apt-get install nginx-light)."


class Download(NamedTuple):
    """A file, the number of connections, and the range."""

    name: str
    file: File
    connections: int
    span: str = ""


def main() -> None:
    if nginx.installed() is None:
        print(MISSING)
        return
    settings = {"LOG_LEVEL": "WARNING", "WEB_CONCURRENCY": "2", "LINK_TTL": "3600"}
    with (
        TemporaryDirectory(prefix="fluxkeep-bench-") as directory,
        running_stack(Path(directory), None, None, **settings) as stack,
        nginx.serving(stack.installation.media, Path(directory)) as url,
    ):
        image, video = stored_files.image(stack), stored_files.video(stack)
        stack.installation.stop("worker", "sweep")
        print("| file, two processes each | ours | nginx | ratio |")
        print("|---|---|---|---|")
        for download in _downloads(image, video):
            theirs = f"{url}/{download.file.key}"
            print(_row(download, *_measure(download, download.file.url, theirs)), flush=True)


def _downloads(image: File, video: File) -> tuple[Download, ...]:
    last = f"{video.size - RANGE_BYTES}-{video.size - 1}"
    return (
        Download("image of 1 MB, 16 connections, requests/s", image, 16),
        Download("video of 300 MB, 4 connections, MB/s", video, 4),
        Download("its last 8 MiB as a range, 4 connections, MB/s", video, 4, last),
    )


def _measure(download: Download, ours: str, theirs: str) -> tuple[Fetched, Fetched]:
    """Medians of alternating rounds."""
    turns = [(_turn(download, ours), _turn(download, theirs)) for _ in range(1 + TURNS)][1:]
    own, others = zip(*turns, strict=True)
    return _medians(own), _medians(others)


def _turn(download: Download, url: str) -> Fetched:
    return load.fetch(url, connections=download.connections, seconds=SECONDS, span=download.span)


def _medians(turns: tuple[Fetched, ...]) -> Fetched:
    return Fetched(*(median(values) for values in zip(*turns, strict=True)))


def _row(download: Download, ours: Fetched, theirs: Fetched) -> str:
    own, other = _figure(download, ours), _figure(download, theirs)
    return f"| {download.name} | {own:,.0f} | {other:,.0f} | {own / other:.2f} |"


def _figure(download: Download, fetched: Fetched) -> float:
    return fetched.rate if download.name.endswith("requests/s") else fetched.bytes / MB
