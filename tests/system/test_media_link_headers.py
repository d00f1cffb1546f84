"""Headers of media links: caching, file name, CORS, and how much is read for a range."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from jobs.config import settings
from jobs.services import for_web
from jobs.storage.local import LocalStorage
from receiver import create_app
from tests.harness import Stack
from tests.sandbox import Task

ORIGIN = "https://app.example"

SETTINGS = {"CORS_ORIGINS": f"{ORIGIN},http://localhost:3000", "LINK_TTL_MAX": "200000"}


@pytest.fixture(scope="module")
def task(stack: Stack) -> Task:
    task = stack.generate(format="jpeg")
    stack.announce(task, model="flux-2-pro", metadata={})
    stack.stored(task)
    return task


@pytest.fixture(scope="module")
def link(stack: Stack, task: Task) -> str:
    return str(stack.client.job(task.id)["media"][0]["url"])


def ask(url: str, method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(method, url, headers=headers, timeout=30)


def lives(answer: requests.Response) -> int:
    found = re.search(r"max-age=([0-9]+)", answer.headers["Cache-Control"])
    assert found
    return int(found[1])


@pytest.mark.parametrize("path", ["/api/jobs/{}", "/api/jobs"])
def test_links_of_another_life_can_be_asked_for(stack: Stack, task: Task, path: str) -> None:
    def shown(**query: Any) -> str:
        body = stack.client.get(path.format(task.id), **query).json()
        job = body if "media" in body else body["jobs"][0]
        return str(job["media"][0]["url"])

    assert lives(ask(shown(link_ttl=120))) <= 120
    assert lives(ask(shown(link_ttl=200_000))) == 3600
    assert lives(ask(shown())) == 3600


@pytest.mark.parametrize("path", ["/api/jobs/{}", "/api/jobs"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "1_0", "", "abc", "200001", "9" * 30, "٣"])
def test_a_wrong_life_is_named(stack: Stack, task: Task, path: str, value: str) -> None:
    answer = stack.client.get(path.format(task.id), link_ttl=value)
    assert answer.status_code == 400
    assert "link_ttl" in answer.json()["detail"]


def test_a_browser_shows_it_and_saves_it_under_a_readable_name(task: Task, link: str) -> None:
    shown = ask(link).headers["Content-Disposition"]
    saved = ask(f"{link}?download=1").headers["Content-Disposition"]
    name = rf'filename="flux-2-pro-20[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}-{task.id[:8]}\.jpg"'
    assert re.fullmatch(f"inline; {name}", shown)
    assert re.fullmatch(f"attachment; {name}", saved)


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
def test_a_page_that_was_named_may_read_it(link: str, origin: str) -> None:
    answer = ask(link, Origin=origin, Range="bytes=0-9")
    assert answer.status_code == 206
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "Origin" in answer.headers["Vary"]
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert "ETag" in exposed and "Content-Range" in exposed


@pytest.mark.parametrize("origin", ["https://evil.example", "https://app.example.evil", "null"])
def test_a_page_that_was_not_named_may_not(link: str, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = ask(link, method, Origin=origin)
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_browser_may_ask_beforehand(link: str) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    answer = ask(link, "OPTIONS", Origin=ORIGIN, **asked)
    assert answer.ok and answer.content == b""
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Range" in answer.headers["Access-Control-Allow-Headers"]
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD"


def test_nothing_but_media_is_open_to_pages(stack: Stack) -> None:
    for path in ("/api/jobs", "/healthz", "/metrics"):
        answer = stack.client.request("GET", path, headers={"Origin": ORIGIN})
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_every_origin_is_allowed_by_a_star(stack: Stack, task: Task) -> None:
    stack.installation.start("web", CORS_ORIGINS="*")
    open_to_all = stack.installation.client(url=stack.installation.urls[1])
    token = open_to_all.job(task.id)["media"][0]["url"].rpartition("/")[2]
    answer = ask(f"{stack.installation.urls[1]}/media/{token}", Origin="https://any.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


class Asked(LocalStorage):
    """A directory read like a bucket, which records the reads."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.spans: list[tuple[int, int | None]] = []

    def local_path(self, key: str) -> None:
        """No local path, as in a bucket."""

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        self.spans.append((start, stop))
        return super().read(key, start, stop)


def test_a_bucket_is_asked_for_a_range_and_for_nothing_after_it(stack: Stack) -> None:
    task = stack.generate("flux-3-video", format="mp4", size=20_000_000)
    link = stack.stored(task)["media"][0]["url"]
    variables = {name: value for name, value in stack.installation.settings.items() if value}
    services = for_web(settings.load(variables))
    services.storage = media = Asked(stack.installation.media)
    browser, span = create_app(services).test_client(), {"Range": "bytes=9000000-9999999"}
    answer = browser.get(link.removeprefix(stack.installation.url), headers=span)
    assert answer.status_code == 206 and len(answer.data) == 1_000_000
    assert media.spans == [(9_000_000, 10_000_000)]
