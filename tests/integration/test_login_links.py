"""Login links: each logs in once, soon, and only with our signature."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner, URLSafeSerializer, URLSafeTimedSerializer
from pydantic import SecretStr
from werkzeug.test import TestResponse

from jobs import signing
from jobs.signing import LOGIN_SECONDS, LoginSigner
from jobs.store.redis.keys import USED_LOGIN_PREFIX
from tests.harness import RedisServer
from tests.harness.parts import web_app
from tests.harness.visitor import csrf_token

KEY, OLDER_KEY = "signing-key-canary-1f", "older-signing-key-2e"
KEYS = "me:an-admin-key-canary:admin,app:an-app-key-canary-3:submit"
SIGNER = LoginSigner([SecretStr(KEY)])


@pytest.fixture
def app(redis_server: RedisServer, tmp_path: Path) -> Iterator[Flask]:
    where = {"REDIS_URL": redis_server.url, "MEDIA_URL": tmp_path.as_uri()}
    with web_app(SECRET_KEY=f"{KEY},{OLDER_KEY}", API_KEYS=KEYS, **where) as app:
        yield app


def press_button(browser: FlaskClient, token: str, **headers: str) -> TestResponse:
    """Open a link and press the button on its page, as a person does."""
    page = browser.get(f"/login/{token}")
    if page.status_code != 200:
        return page
    form = {"csrf_token": csrf_token(page.text)}
    return browser.post(f"/login/{token}", data=form, headers=headers)


def status(app: Flask, token: str) -> int:
    """Answer to a new browser in which somebody uses this link."""
    return press_button(app.test_client(), token).status_code


def test_a_link_logs_in_once(app: Flask) -> None:
    token = SIGNER.sign("me")
    browser = app.test_client()
    answer = press_button(browser, token)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert browser.get("/").status_code == 200
    again = press_button(app.test_client(), token)
    assert again.status_code == 403 and "used before" in again.text
    assert "Set-Cookie" not in again.headers or app.test_client().get("/").status_code == 303


PREVIEWS: dict[str, dict[str, str]] = {
    "Slack": {"User-Agent": "Slackbot-LinkExpanding 1.0"},
    "a mail scanner": {"User-Agent": "Mozilla/5.0", "Accept": "text/html"},
    "a prefetch": {"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch"},
    "an old prefetch": {"X-Moz": "prefetch"},
}


@pytest.mark.parametrize("headers", PREVIEWS.values(), ids=PREVIEWS)
def test_a_preview_does_not_use_up_a_link(app: Flask, headers: dict[str, str]) -> None:
    token = SIGNER.sign("me")
    for method in ("HEAD", "GET", "OPTIONS", "GET"):
        preview = app.test_client()
        answer = preview.open(f"/login/{token}", method=method, headers=headers)
        assert answer.status_code == 200
        assert preview.get("/").status_code == 303, "it is not logged in"
    assert status(app, token) == 303


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({}, {}),
        ({"csrf_token": "invented"}, {}),
        (None, {"Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_another_site_cannot_use_a_link(
    app: Flask, fields: dict[str, str] | None, headers: dict[str, str]
) -> None:
    """Otherwise it could log a visitor in as somebody else."""
    token = SIGNER.sign("me")
    browser = app.test_client()
    if fields is None:
        refused = press_button(browser, token, **headers)
    else:
        browser.get(f"/login/{token}")
        refused = browser.post(f"/login/{token}", data=fields, headers=headers)
    assert refused.status_code == 403 and "Log in" in refused.text
    assert browser.get("/").status_code == 303, "it is not logged in"
    assert press_button(browser, token).status_code == 303, "the link is not used up"


def test_only_one_of_two_presses_of_the_button_logs_in(app: Flask) -> None:
    token = SIGNER.sign("me")
    browsers = [app.test_client(), app.test_client()]
    pages = [browser.get(f"/login/{token}") for browser in browsers]
    answers = [
        browser.post(f"/login/{token}", data={"csrf_token": csrf_token(page.text)}).status_code
        for browser, page in zip(browsers, pages, strict=True)
    ]
    assert answers == [303, 403]


def test_each_link_of_a_known_key_is_a_login(app: Flask) -> None:
    older = LoginSigner([SecretStr(OLDER_KEY)])
    links = [SIGNER.sign("me"), SIGNER.sign("me"), older.sign("me"), SIGNER.sign("nobody")]
    assert [status(app, link) for link in links] == [303, 303, 303, 403]


def forged() -> dict[str, str]:
    good = SIGNER.sign("me")
    timed = URLSafeTimedSerializer(KEY, salt=signing._LOGIN_SALT)  # noqa: SLF001 - an attacker's
    return {
        "empty payload": str(timed.dumps([])),
        "another shape": str(timed.dumps({"key": "me"})),
        "a number": str(timed.dumps(7)),
        "another key": LoginSigner([SecretStr("another-signing-key")]).sign("me"),
        "another salt": str(URLSafeTimedSerializer(KEY, salt="x").dumps(["me", "1"])),
        "without time": str(URLSafeSerializer(KEY, salt=signing._LOGIN_SALT).dumps(["me", "1"])),  # noqa: SLF001
        "cut": good[:-1],
        "extended": good + "A",
        "nonsense": "%00",
    }


@pytest.mark.parametrize("kind", forged())
def test_a_forged_link_opens_nothing(app: Flask, kind: str) -> None:
    assert status(app, forged()[kind]) == 403


@pytest.mark.parametrize(("age", "expected"), [(LOGIN_SECONDS + 2, 403), (LOGIN_SECONDS - 60, 303)])
def test_a_link_expires(
    app: Flask, monkeypatch: pytest.MonkeyPatch, age: int, expected: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(TimestampSigner, "get_timestamp", lambda _self: int(time.time()) - age)
        token = SIGNER.sign("me")
    assert status(app, token) == expected


def test_a_used_link_is_remembered_for_longer_than_it_is_valid(
    app: Flask, redis_server: RedisServer
) -> None:
    began = time.time()
    assert status(app, SIGNER.sign("me")) == 303
    with redis_server.client() as redis:
        (name,) = redis.scan_iter(f"{USED_LOGIN_PREFIX}*")
        forgotten_at = time.time() + redis.ttl(name)
    assert forgotten_at > began + LOGIN_SECONDS + 1  # a link's time has whole seconds


def test_without_redis_a_login_link_is_refused(app: Flask, redis_server: RedisServer) -> None:
    redis_server.kill()
    assert status(app, SIGNER.sign("me")) == 503
