"""A plain GET of any link gives 200 and the bytes, to clients that follow no redirect."""

import http.client
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.harness import KEYS, Stack, third_party_clients, wait_for
from tests.harness.chromium import Window
from tests.sandbox import Task

STORAGES = ("directory", "bucket", "redirected bucket")

NODE_PROGRAM = """
const { get } = require('node:http')
get(process.argv[2], (answer) => {
  if (answer.statusCode !== 200) process.exit(9)
  answer.pipe(process.stdout)
})
"""
RUN_SECONDS = 60


@pytest.fixture(scope="module")
def task(stack: Stack) -> Task:
    task = stack.generate(format="png")
    stack.stored(task)
    return task


@pytest.fixture(scope="module")
def image(stack: Stack, task: Task) -> bytes:
    return stack.sandbox.file(task.id)


@pytest.fixture(scope="module")
def link(stack: Stack, task: Task) -> str:
    return str(stack.client.job(task.id)["media"][0]["url"])


def output_of(*command: str) -> bytes:
    return subprocess.run(command, capture_output=True, timeout=RUN_SECONDS, check=True).stdout


def test_curl_without_an_option_gets_the_bytes(link: str, image: bytes, tmp_path: Path) -> None:
    file = tmp_path / "image.png"
    output_of("curl", "--silent", "--output", str(file), link)
    assert file.read_bytes() == image


def test_node_gets_the_bytes(link: str, image: bytes, tmp_path: Path) -> None:
    program = tmp_path / "get.cjs"
    program.write_text(NODE_PROGRAM)
    assert output_of(*third_party_clients.javascript(), str(program), link) == image


def test_python_gets_the_bytes(link: str, image: bytes) -> None:
    address = urlsplit(link)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.request("GET", address.path)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, image)
    connection.close()


def test_ranges_and_conditions_hold_without_a_redirect(link: str, image: bytes) -> None:
    def ask(method: str, **headers: str) -> requests.Response:
        return requests.request(method, link, headers=headers, timeout=30, allow_redirects=False)

    head = ask("HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(image)
    part = ask("GET", Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, image[10:20])
    same = ask("GET", **{"If-None-Match": head.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    since = ask("GET", **{"If-Modified-Since": head.headers["Last-Modified"]})
    assert (since.status_code, since.content) == (304, b"")
    longer_ago = ask("GET", **{"If-Modified-Since": "Wed, 01 Jan 2020 00:00:00 GMT"})
    assert (longer_ago.status_code, longer_ago.content) == (200, image)
    script = ask("GET", **{"Sec-Fetch-Dest": "empty"})  # the bucket may have no CORS rules
    assert (script.status_code, script.content) == (200, image)


def test_the_sample_of_bfls_api_needs_no_redirect(stack: Stack) -> None:
    job = stack.posted(format="jpeg")
    stack.stored_job(job)
    task = stack.sandbox.tasks()[-1]
    headers = {"x-key": KEYS["submit"]}
    result_url = f"{stack.installation.url}/v1/get_result?id={job['id']}"

    def sample() -> str | None:
        answer = requests.get(result_url, headers=headers, timeout=30).json()
        return str(answer["result"]["sample"]) if answer["status"] == "Ready" else None

    answer = requests.get(wait_for("it is ready", sample), timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.content) == (200, stack.sandbox.file(task.id))


@pytest.mark.browser
def test_a_browser_shows_the_picture(link: str, window: Window) -> None:
    window.page.goto(link)
    shown = window.page.evaluate("document.images[0].naturalWidth")
    assert shown > 0
