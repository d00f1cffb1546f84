"""A visitor of a running dashboard: by plain HTTP, or with a browser."""

import re
from html import unescape
from typing import Any

import requests

from tests.harness import KEYS
from tests.harness.chromium import Window

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visitor:
    """A browser without JavaScript that keeps cookies and follows no redirect."""

    def __init__(self, url: str, scope: str = "admin") -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.post("/login", page="/login", key=KEYS[scope])

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.session.get(self.url + path, params=query, allow_redirects=False, timeout=30)

    def text(self, path: str) -> str:
        """The text of a page without tags. Raises requests.HTTPError."""
        answer = self.get(path)
        answer.raise_for_status()
        return readable(answer.text)

    def post(
        self, path: str, *, page: str = "/health", files: Any = None, **fields: str
    ) -> requests.Response:
        """A form, with the CSRF token of `page` unless another is given."""
        fields.setdefault("csrf_token", self.token(page))
        return self.session.post(
            self.url + path, data=fields, files=files, allow_redirects=False, timeout=30
        )

    def token(self, page: str) -> str:
        return csrf_token(self.get(page).text)


def csrf_token(page: str) -> str:
    """The token of the form on a page."""
    found = _TOKEN.search(page)
    assert found, page
    return unescape(found[1])


def readable(html: str) -> str:
    without = re.sub(r"<(script|style|svg|title)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", without)).split())


def log_in(window: Window, url: str, path: str = "/", scope: str = "admin") -> Any:
    """Playwright's page, on this path, with the cookie that the login gives."""
    cookies = Visitor(url, scope).session.cookies
    window.page.context.add_cookies(
        [{"name": one.name, "value": one.value or "", "url": url} for one in cookies]
    )
    window.page.goto(f"{url}{path}")
    return window.page


def choose_model(page: Any, model: str) -> None:
    """In the form's list of models; by its name where the list does not have it."""
    page.locator("#model-list summary").click()
    listed = page.locator(f'.model-list [value="{model}"]')
    if listed.count():
        listed.locator("..").click()
    else:
        page.fill("#model", model)
        page.keyboard.press("Enter")


def problems_seen(window: Window) -> list[str]:
    """Accessibility violations and overflow, on a phone in the light and a desktop in the dark."""
    found = []
    for theme, width in (("light", 390), ("dark", 1440)):
        window.page.emulate_media(color_scheme=theme)
        window.page.set_viewport_size({"width": width, "height": 900})
        found += [f"{theme} {width}: {violation}" for violation in window.violations()]
        too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        found += [f"{width}: scrolls sideways"] if window.page.evaluate(too_wide) else []
    return found
