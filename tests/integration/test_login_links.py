"""Login links: each logs in once, soon, and only with our signature."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from itsdangerous import TimestampSigner, URLSafeSerializer, URLSafeTimedSerializer
from pydantic import SecretStr

from jobs import signing
from jobs.signing import LOGIN_SECONDS, LoginSigner
from jobs.store.redis.keys import USED_LOGIN_PREFIX
from tests.harness import RedisServer
from tests.harness.parts import web_app

KEY, OLDER_KEY = "signing-key-canary-1f", "older-signing-key-2e"
KEYS = "me:an-admin-key-canary:admin,app:an-app-key-canary-3:submit"
SIGNER = LoginSigner([SecretStr(KEY)])


@pytest.fixture
def app(redis_server: RedisServer, tmp_path: Path) -> Iterator[Flask]:
    where = {"REDIS_URL": redis_server.url, "MEDIA_URL": tmp_path.as_uri()}
    with web_app(SECRET_KEY=f"{KEY},{OLDER_KEY}", API_KEYS=KEYS, **where) as app:
        yield app


def status(app: Flask, token: str) -> int:
    """Answer to a new browser that follows this link."""
    return app.test_client().get(f"/login/{token}").status_code


def test_a_link_logs_in_once(app: Flask) -> None:
    token = SIGNER.sign("me")
    browser = app.test_client()
    assert browser.head(f"/login/{token}").status_code == 200  # a preview does not use it up
    answer = browser.get(f"/login/{token}")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert browser.get("/").status_code == 200
    again = app.test_client().get(f"/login/{token}")
    assert again.status_code == 403 and "used before" in again.text
    assert "Set-Cookie" not in again.headers or app.test_client().get("/").status_code == 303


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
