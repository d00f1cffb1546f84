"""Sessions of the dashboard: a signed cookie that names an API key and can be ended by us.

The cookie holds no key, only a keyed hash of it. A session ends with a logout, with its key's
entry in API_KEYS, 12 hours after the last page, and 7 days after the login.
"""

import hashlib
import hmac
import secrets
import time
from contextlib import suppress
from datetime import timedelta
from typing import cast

from flask import Flask, g, request, session
from flask.sessions import SecureCookieSessionInterface
from pydantic import SecretStr

from jobs.config.api_keys import ApiKey
from jobs.config.settings import Settings
from jobs.domain.errors import StoreUnavailable
from receiver.context import services
from receiver.dashboard import csrf

IDLE_SECONDS = 12 * 3600
RENEWED_AFTER_SECONDS = 3600
LIFE_MAX_SECONDS = 7 * 86400

_COOKIE = "fluxkeep-session"
_HASH_CONTEXT = "fluxkeep session 1"


class CookieSession(SecureCookieSessionInterface):
    """Flask's cookie session; the cookie is Secure wherever the request came over https."""

    salt = "fluxkeep session 1"
    digest_method = staticmethod(hashlib.sha256)

    def get_cookie_secure(self, app: Flask) -> bool:
        return bool(app.config["SESSION_COOKIE_SECURE"]) or request.is_secure


def install(app: Flask, settings: Settings) -> None:
    first, *others = (secret.get_secret_value() for secret in settings.secret_key)
    app.secret_key = first
    app.config.update(
        SECRET_KEY_FALLBACKS=others,
        SESSION_COOKIE_NAME=cookie_name(settings),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",  # a link in an e-mail opens its page without a login
        SESSION_COOKIE_SECURE=settings.base_url.startswith("https:"),
        SESSION_REFRESH_EACH_REQUEST=False,  # media and API responses must not set cookies
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=IDLE_SECONDS),
    )
    app.session_interface = CookieSession()


def cookie_name(settings: Settings) -> str:
    """With https the prefix __Host- makes browsers refuse the cookie from any other host."""
    return f"__Host-{_COOKIE}" if settings.base_url.startswith("https:") else _COOKIE


def current_visitor() -> ApiKey | None:
    """The key that this request's session was started with, or None without a valid session."""
    if "visitor" not in g:
        known = _find_key(str(session.get("key")))
        g.visitor = known if known and _is_valid() else None
    return cast(ApiKey | None, g.visitor)


def start(key: ApiKey) -> None:
    """Start a new session; the one before ends, so that no session can be planted."""
    end()
    now = _now()
    secret = services().settings.secret_key[0]
    session.update(key=_key_hash(secret, key), id=secrets.token_urlsafe(16), since=now, seen=now)
    csrf.token()  # now, so that the first page need not set the cookie again


def renew() -> None:
    """Sign the cookie again once an hour, so that a session in use does not expire."""
    if _now() - int(session.get("seen", 0)) > RENEWED_AFTER_SECONDS:
        session["seen"] = _now()


def end() -> None:
    """End the session on the server too: a copy of its cookie is refused from now on.

    Raises StoreUnavailable, and the session then stays.
    """
    if session_id := session.get("id"):
        services().ended_sessions.add(str(session_id), LIFE_MAX_SECONDS)
    session.clear()
    session.permanent = True
    g.pop("visitor", None)


def _is_valid() -> bool:
    session_id = session.get("id")
    if not session_id or _now() - int(session.get("since", 0)) >= LIFE_MAX_SECONDS:
        return False
    with suppress(StoreUnavailable):  # without Redis no page has anything to show or to change
        return str(session_id) not in services().ended_sessions
    return True


def _find_key(key_hash: str) -> ApiKey | None:
    """The API key with this hash, by any of the SECRET_KEYs; None if it is no longer valid."""
    settings = services().settings
    hashes = (
        (_key_hash(secret, key), key) for secret in settings.secret_key for key in settings.api_keys
    )
    return next((key for known, key in hashes if known == key_hash), None)


def _key_hash(secret: SecretStr, key: ApiKey) -> str:
    """HMAC-SHA256 of key and scope; without SECRET_KEY it does not help to guess the key."""
    message = _HASH_CONTEXT.encode() + key.digest + key.scope.encode()
    return hmac.new(secret.get_secret_value().encode(), message, hashlib.sha256).hexdigest()


def _now() -> int:
    return int(time.time())
