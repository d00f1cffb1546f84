"""Presigned links, for browsers: redirects that expire no later than the media link."""

import re

import pytest
import requests

from tests.harness import Stack, wait_for
from tests.harness.chromium import Window
from tests.harness.visitor import log_in
from tests.sandbox import Task

STORAGES = ("redirected bucket",)
BROWSER = {"Sec-Fetch-Dest": "image"}


@pytest.fixture(scope="module")
def task(stack: Stack) -> Task:
    task = stack.generate(format="jpeg")
    job = stack.client.wait_for(task.id, "stored")
    assert job["media"]
    return task


def link(stack: Stack, task: Task, **query: int) -> str:
    job = stack.client.get(f"/api/jobs/{task.id}", **query).json()
    return str(job["media"][0]["url"])


def ask(url: str, method: str = "GET", **headers: str) -> requests.Response:
    as_browser = BROWSER | headers
    return requests.request(method, url, headers=as_browser, timeout=30, allow_redirects=False)


def follow(url: str, method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(method, url, headers=BROWSER | headers, timeout=30)


def test_a_client_that_asks_is_redirected_and_one_that_brings_a_key_is_not(
    stack: Stack, task: Task
) -> None:
    url = link(stack, task)
    plain = requests.get(url, timeout=30, allow_redirects=False)
    asking = requests.get(f"{url}?redirect", timeout=30, allow_redirects=False)
    assert (plain.status_code, asking.status_code) == (200, 302)
    for answer in (plain, asking):
        assert "Sec-Fetch-Dest" in answer.headers["Vary"]
    assert ask(f"{url}?redirect", **{"x-key": "any"}).status_code == 200


def test_the_bytes_come_from_the_bucket_with_their_own_type(stack: Stack, task: Task) -> None:
    first = ask(link(stack, task))
    assert first.status_code == 302
    head = follow(link(stack, task), "HEAD")  # signed as one
    assert (head.status_code, head.content) == (200, b"")
    answer = follow(link(stack, task))
    assert answer.content == stack.sandbox.file(task.id)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Disposition"].startswith('inline; filename="')
    assert answer.url.startswith(str(stack.installation.settings["AWS_ENDPOINT_URL"]))


def test_the_redirect_is_not_cached_and_expires_with_the_link(stack: Stack, task: Task) -> None:
    for asked, most in ((90, 90), (86_400, 3600)):
        answer = ask(link(stack, task, link_ttl=asked))
        assert answer.headers["Cache-Control"] == "private, no-store"
        found = re.search(r"X-Amz-Expires=([0-9]+)", answer.headers["Location"])
        assert found and most - 60 <= int(found[1]) <= most


def test_ranges_and_conditions_reach_the_bucket(stack: Stack, task: Task) -> None:
    image = stack.sandbox.file(task.id)
    part = follow(link(stack, task), Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, image[10:20])
    beyond = follow(link(stack, task), Range="bytes=99999999-")
    assert beyond.status_code == 416
    etag = follow(link(stack, task)).headers["ETag"]
    same = follow(link(stack, task), **{"If-None-Match": etag})
    assert (same.status_code, same.content) == (304, b"")


def test_a_named_download_is_streamed_instead_of_redirected(stack: Stack, task: Task) -> None:
    answer = ask(f"{link(stack, task)}?download=1")
    assert (answer.status_code, answer.content) == (200, stack.sandbox.file(task.id))
    assert answer.headers["Content-Disposition"].startswith("attachment; ")


@pytest.mark.browser
def test_a_browser_loads_the_picture_of_a_page_from_the_bucket(
    stack: Stack, task: Task, window: Window
) -> None:
    endpoint = str(stack.installation.settings["AWS_ENDPOINT_URL"])
    loaded: list[str] = []
    window.page.on("response", lambda answer: loaded.append(answer.url))
    log_in(window, stack.installation.url, f"/jobs/{task.id}", "read")
    pictures = "[...document.images].filter(image => image.naturalWidth > 0).length"
    wait_for("the picture is shown", lambda: window.page.evaluate(pictures))
    wait_for("it came from the bucket", lambda: [url for url in loaded if endpoint in url])
    assert not window.complaints


def test_forged_expired_and_deleted_links_are_not_redirected(stack: Stack, task: Task) -> None:
    good = link(stack, task)
    assert ask(f"{good[:-5]}AAAAA").status_code == 403
    brief = link(stack, task, link_ttl=1)
    wait_for("the link has expired", lambda: ask(brief).status_code == 410)
    gone = stack.generate()
    stack.client.wait_for(gone.id, "stored")
    lost, deleted = link(stack, gone), link(stack, task)
    stack.installation.stored_objects.remove(stack.keys(gone)[0])
    assert ask(lost).status_code == 410
    assert stack.client.request("DELETE", f"/api/jobs/{task.id}").status_code == 204
    assert ask(deleted).status_code == 410
    # A thumbnail that was being drawn is deleted by the worker that drew it.
    sizes = stack.installation.stored_objects.sizes
    wait_for("no object of it", lambda: not [key for key in sizes() if task.id in key])
