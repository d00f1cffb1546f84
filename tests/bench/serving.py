"""Serving what is kept in a directory, beside nginx serving the same files from there."""

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.bench import kept, load, nginx
from tests.bench.kept import VIDEO_BYTES
from tests.bench.load import Fetched
from tests.bench.memory import MB
from tests.harness.scene import running_scene

TURNS = 3
SECONDS = 3
MISSING = "Not measured: this one needs nginx (apt-get install nginx-light)."


class Course(NamedTuple):
    """What is fetched, over how many connections."""

    name: str
    path: str
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
    ):
        image, video = kept.image(scene), kept.video(scene)
        scene.installation.stop("worker", "sweep")
        last = f"{VIDEO_BYTES - 8 * 2**20}-{VIDEO_BYTES - 1}"
        print("| file, two processes each | ours | nginx | ratio |")
        print("|---|---|---|---|")
        with nginx.serving(scene.installation.media, Path(directory)) as url:
            for ours, course in (
                (image.url, Course("image of 1 MB, 16 connections, requests/s", image.key, 16)),
                (video.url, Course("video of 300 MB, 4 connections, MB/s", video.key, 4)),
                (video.url, Course("its last 8 MiB as a range, 4, MB/s", video.key, 4, last)),
            ):
                print(_row(course, *_by_turns(course, ours, f"{url}/{course.path}")), flush=True)


def _by_turns(course: Course, ours: str, theirs: str) -> tuple[Fetched, Fetched]:
    """The medians; each turn of ours is followed by one of nginx."""
    turns = [(_turn(course, ours), _turn(course, theirs)) for _ in range(1 + TURNS)][1:]
    own, others = zip(*turns, strict=True)
    return _middle(own), _middle(others)


def _turn(course: Course, url: str) -> Fetched:
    return load.fetch(url, connections=course.connections, seconds=SECONDS, span=course.span)


def _middle(turns: tuple[Fetched, ...]) -> Fetched:
    return Fetched(*(median(values) for values in zip(*turns, strict=True)))


def _row(course: Course, ours: Fetched, theirs: Fetched) -> str:
    own, other = _figure(course, ours), _figure(course, theirs)
    return f"| {course.name} | {own:,.0f} | {other:,.0f} | {own / other:.2f} |"


def _figure(course: Course, fetched: Fetched) -> float:
    return fetched.rate if course.name.endswith("requests/s") else fetched.bytes / MB
