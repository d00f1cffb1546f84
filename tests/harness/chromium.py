"""A real Chromium without a screen, which reaches this machine alone and notes what else is asked.

One for a test run, a window without cookies and storage for each test. A context of Playwright's
serves one test after the other: its first page takes a second of a processor.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Error, Request, WebError, expect, sync_playwright

from tests.harness import browser
from tests.harness.patience import SLOWEST
from tests.harness.third_party_clients import npm_package

ARGUMENTS = (
    "--no-sandbox",  # tests run as root in containers, and visit nobody but us
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Names are not even looked up; Window.strangers says which were asked for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
PATIENCE_MILLISECONDS = 15_000.0 * SLOWEST
# What WCAG 2.2 AA asks for and a program can see.
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")


class ChromiumMissing(RuntimeError):
    """It is not on this machine, and could not be installed."""


class Window:
    """One person's browser: `page` is Playwright's, the lists say what went on behind it."""

    def __init__(self, page: Any, clear: Callable[[str], None]) -> None:
        self.page = page
        self.strangers: list[str] = []
        self.complaints: list[str] = []
        self._clear = clear
        self._listeners = {"request": self._asked, "console": self._said, "weberror": self._failed}
        for event, listener in self._listeners.items():
            page.context.on(event, listener)

    def close(self) -> None:
        """Close the page, and forget what it has stored."""
        for event, listener in self._listeners.items():
            self.page.context.remove_listener(event, listener)
        url = self.page.url
        self.page.close()
        self._clear(url)

    def violations(self) -> list[str]:
        """Accessibility violations that axe finds in the page: rule, remedy and element."""
        # By the debugger's way in, which no Content-Security-Policy stops.
        self.page.evaluate((npm_package("axe-core") / "axe.min.js").read_text())
        asked = {"runOnly": {"type": "tag", "values": list(RULES)}}
        # Only these: all that passed would be half a second of JSON.
        run = "async asked => (await axe.run(asked)).violations"
        found = self.page.evaluate(run, asked)
        return [
            f"{rule['id']}: {rule['help']}: {node['target']}: {node['failureSummary']}"
            for rule in found
            for node in rule["nodes"]
        ]

    def _asked(self, request: Request) -> None:
        place = urlsplit(request.url)
        if place.scheme not in ("data", "blob") and place.hostname not in LOOPBACK_HOSTS:
            self.strangers.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _failed(self, trouble: WebError) -> None:
        self.complaints.append(str(trouble.error))


class Chromium:
    """Started at once. Raises ChromiumMissing."""

    def __init__(self) -> None:
        program = browser.find()
        if program is None:
            raise ChromiumMissing(browser.ADVICE)
        expect.set_options(timeout=PATIENCE_MILLISECONDS)
        self._playwright = sync_playwright().start()
        self._idle: defaultdict[str, list[Any]] = defaultdict(list)  # first pages, by options
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=program, args=list(ARGUMENTS)
            )
        except Error:
            self._playwright.stop()
            raise

    @contextmanager
    def window(self, **options: Any) -> Iterator[Window]:
        """A fresh one, closed in the end; options are those of Playwright's `new_context`.

        A page that stayed open would go on to ask for its server, and to be animated.
        """
        idle = self._idle[repr(options)]
        first_page = idle.pop() if idle else self._first_page(options)
        opened = Window(first_page.context.new_page(), partial(self._clear, idle, first_page))
        try:
            yield opened
        finally:
            opened.close()

    def _first_page(self, options: dict[str, Any]) -> Any:
        """A page that stays empty: without any, the next one would start all over."""
        # Without a GPU each frame of an animation takes a processor's time from other tests.
        context = self._browser.new_context(**{"reduced_motion": "reduce", **options})
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        return context.new_page()

    def _clear(self, idle: list[Any], first_page: Any, url: str) -> None:
        context, place = first_page.context, urlsplit(url)
        context.set_offline(False)
        context.clear_cookies()
        storage = {"origin": f"{place.scheme}://{place.netloc}", "storageTypes": "all"}
        session = context.new_cdp_session(first_page)
        session.send("Storage.clearDataForOrigin", storage)
        session.send("Network.clearBrowserCache")
        session.detach()
        idle.append(first_page)

    def close(self) -> None:
        self._browser.close()
        self._playwright.stop()
