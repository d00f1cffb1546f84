"""The browser that the tests drive sees what a page asks for, and what is wrong with it."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.harness import browser
from tests.harness.chromium import Chromium, ChromiumMissing, Window

pytestmark = pytest.mark.browser

GOOD = '<!doctype html><html lang="en"><title>Good</title><main><h1>Good</h1></main></html>'
BAD = """<!doctype html><html><title>Bad</title><main><h1>Bad</h1>
<img src="https://cdn.example/pixel.png"><img src="http://192.0.2.7/pixel.png">
<script>console.error('so it is'); missing()</script></main></html>"""
PAGES = {"/": GOOD, "/bad": BAD}


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGES.get(self.path, GOOD).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        if self.path == "/strict":
            self.send_header("Content-Security-Policy", "default-src 'none'")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_good_page_has_no_foreign_requests_and_no_errors(window: Window, site: str) -> None:
    window.page.goto(site)
    assert window.violations() == []
    assert (window.strangers, window.complaints) == ([], [])


def test_a_strict_policy_does_not_keep_the_checker_out(window: Window, site: str) -> None:
    window.page.goto(f"{site}/strict")
    assert window.violations() == []


def test_who_else_a_page_asks_is_seen_and_not_reached(window: Window, site: str) -> None:
    window.page.goto(f"{site}/bad")
    assert window.strangers == ["https://cdn.example/pixel.png", "http://192.0.2.7/pixel.png"]
    assert [found for found in window.complaints if "ERR_NAME_NOT_RESOLVED" in found]


def test_what_is_wrong_with_a_page_is_found(window: Window, site: str) -> None:
    window.page.goto(f"{site}/bad")
    rules = {violation.split(":")[0] for violation in window.violations()}
    assert {"html-has-lang", "image-alt"} <= rules
    text = " ".join(window.complaints)
    assert "so it is" in text and "missing is not defined" in text


def test_without_chromium_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert browser.find() is None
    with pytest.raises(ChromiumMissing, match="apt-get install chromium"):
        Chromium()
