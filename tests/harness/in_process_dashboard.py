"""The dashboard of an application in this process, whose settings a test may change."""

from collections.abc import Callable
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobs import services
from jobs.config import settings
from receiver import create_app
from tests.harness.redis_server import RedisServer
from tests.harness.visitor import csrf_token

KEYS = {"read": "read-canary-6f21", "submit": "submit-canary-9b02", "admin": "admin-canary-77d1"}
COOKIE = "fluxkeep-session"


class InProcessVisitor:
    """A visitor of an application in this process: keeps cookies and fills in forms."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, headers=headers)

    def post(self, path: str, **fields: str) -> TestResponse:
        """A form, with the token of the session unless another is given."""
        token = fields.pop("csrf_token", None) or self.csrf_token()
        return self.client.post(path, data={"csrf_token": token, **fields})

    def csrf_token(self) -> str:
        return csrf_token(self.client.get("/login", follow_redirects=True).text)

    def log_in(self, scope: str, **fields: str) -> TestResponse:
        """With the key of a scope, or with any other key."""
        return self.post("/login", key=KEYS.get(scope, scope), **fields)

    @property
    def cookie(self) -> str:
        cookie = self.client.get_cookie(COOKIE)
        return cookie.value if cookie else ""

    def with_cookie_at(self, app: Flask) -> "InProcessVisitor":
        """A visitor of another application with the same session cookie."""
        other = InProcessVisitor(app)
        other.client.set_cookie(COOKIE, self.cookie)
        return other


MakeApp = Callable[..., Flask]


def app_maker(redis: RedisServer, directory: Path) -> MakeApp:
    """Builds applications over one Redis; keyword arguments replace settings."""

    def make(**changed: str) -> Flask:
        environment = {
            "WEBHOOK_SECRET": "webhook-secret-of-tests",
            "SECRET_KEY": "signing-secret-canary-1f",
            "API_KEYS": ",".join(f"{name}er:{key}:{name}" for name, key in KEYS.items()),
            "REDIS_URL": redis.url,
            "MEDIA_URL": directory.as_uri(),
            **changed,
        }
        return create_app(services.for_web(settings.load(environment)))

    return make
