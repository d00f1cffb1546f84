"""A visitor without a browser: keeps cookies, fills in forms, and looks at what comes back."""

import re
from html import unescape

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

KEYS = {"read": "read-canary-6f21", "submit": "submit-canary-9b02", "admin": "admin-canary-77d1"}

_TOKEN = re.compile(r'name="forgery" value="([^"]+)"')


class Guest:
    """Somebody at the door of an application."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()

    def see(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=headers)

    def send(self, path: str, **fields: str) -> TestResponse:
        """A form with the token of the page it would stand on."""
        token = fields.pop("forgery", None) or self.token()
        return self.client.post(path, data={"forgery": token, **fields})

    def token(self) -> str:
        """As every page has it."""
        page = self.client.get("/login", follow_redirects=True).text
        found = _TOKEN.search(page)
        assert found, page
        return unescape(found[1])

    def enter(self, scope: str, **fields: str) -> TestResponse:
        return self.send("/login", key=KEYS.get(scope, scope), **fields)

    @property
    def cookie(self) -> str:
        kept = self.client.get_cookie("fluxkeep-session")
        return kept.value if kept else ""

    def move_to(self, app: Flask) -> "Guest":
        """With the same cookie to an application that was started anew."""
        guest = Guest(app)
        guest.client.set_cookie("fluxkeep-session", self.cookie)
        return guest
