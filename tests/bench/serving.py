"""Serving what is kept in a directory, beside nginx serving the same files from there."""

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.bench import kept, load, nginx
from tests.bench.kept import File
from tests.bench.load import Fetched
from tests.bench.memory import MB
from tests.harness.scene import running_scene

TURNS = 3
SECONDS = 3
RANGE_BYTES = 8 * 2**20
MISSING = "Not measured: this one needs nginx (apt-get install nginx-light)."


class Series(NamedTuple):
    """What is fetched: our link to a file, its place under nginx, over how many connections."""

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
        running_scene(Path(directory), None, None, **settings) as scene,
        nginx.serving(scene.installation.media, Path(directory)) as url,
    ):
        image, video = kept.image(scene), kept.video(scene)
        scene.installation.stop("worker", "sweep")
        print("| file, two processes each | ours | nginx | ratio |")
        print("|---|---|---|---|")
        for course in _courses(image, video):
            theirs = f"{url}/{course.file.key}"
            print(_row(course, *_by_turns(course, course.file.url, theirs)), flush=True)


def _courses(image: File, video: File) -> tuple[Series, ...]:
    last = f"{video.size - RANGE_BYTES}-{video.size - 1}"
    return (
        Series("image of 1 MB, 16 connections, requests/s", image, 16),
        Series("video of 300 MB, 4 connections, MB/s", video, 4),
        Series("its last 8 MiB as a range, 4 connections, MB/s", video, 4, last),
    )


def _by_turns(course: Series, ours: str, theirs: str) -> tuple[Fetched, Fetched]:
    """The medians; each turn of ours is followed by one of nginx."""
    turns = [(_turn(course, ours), _turn(course, theirs)) for _ in range(1 + TURNS)][1:]
    own, others = zip(*turns, strict=True)
    return _middle(own), _middle(others)


def _turn(course: Series, url: str) -> Fetched:
    return load.fetch(url, connections=course.connections, seconds=SECONDS, span=course.span)


def _middle(turns: tuple[Fetched, ...]) -> Fetched:
    return Fetched(*(median(values) for values in zip(*turns, strict=True)))


def _row(course: Series, ours: Fetched, theirs: Fetched) -> str:
    own, other = _figure(course, ours), _figure(course, theirs)
    return f"| {course.name} | {own:,.0f} | {other:,.0f} | {own / other:.2f} |"


def _figure(course: Series, fetched: Fetched) -> float:
    return fetched.rate if course.name.endswith("requests/s") else fetched.bytes / MB
