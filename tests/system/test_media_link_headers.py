"""Headers of media links: caching, file name, and none for pages of other origins."""

import re

import pytest
import requests

from tests.harness.stack import Stack
from tests.sandbox import Task

ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def task(stack: Stack) -> Task:
    task = stack.generate(format="jpeg")
    stack.expect(task, model="flux-2-pro", metadata={})
    stack.stored(task)
    return task


@pytest.fixture(scope="module")
def link(stack: Stack, task: Task) -> str:
    url: str = stack.client.job(task.id)["media"][0]["url"]
    return url


def ask(url: str, method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(method, url, headers=headers, timeout=30)


# How long.


def lives(answer: requests.Response) -> int:
    """The response's max-age in seconds."""
    found = re.search(r"max-age=([0-9]+)", answer.headers["Cache-Control"])
    assert found
    return int(found[1])


def test_a_response_is_cached_for_an_hour(link: str) -> None:
    assert lives(ask(link)) == 3600


# What to call it.


def test_a_browser_shows_it_and_saves_it_under_a_readable_name(task: Task, link: str) -> None:
    shown = ask(link).headers["Content-Disposition"]
    saved = ask(f"{link}?download=1").headers["Content-Disposition"]
    name = rf'filename="flux-2-pro-20[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}-{task.id[:8]}\.jpg"'
    assert re.fullmatch(f"inline; {name}", shown)
    assert re.fullmatch(f"attachment; {name}", saved)


def test_nothing_is_open_to_scripts_of_other_origins(stack: Stack, link: str) -> None:
    urls = (link, *(stack.installation.url + path for path in ("/api/jobs", "/healthz")))
    for url in urls:
        for method in ("GET", "OPTIONS"):
            answer = ask(url, method, Origin=ORIGIN)
            assert "Access-Control-Allow-Origin" not in answer.headers
