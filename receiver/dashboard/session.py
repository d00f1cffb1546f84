"""Sessions of the dashboard: a signed cookie that names an API key and can be ended by us.

The cookie holds no key, only a keyed hash of it. A session ends with a logout, with its key's
entry in API_KEYS, 12 hours after the last page, and 7 days after the login.
"""

import hashlib
import hmac
import itertools
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


class CookieSession(SecureCookieSessionInterface):
    """Flask's cookie session; the cookie is Secure wherever the request came over https."""

    salt = "fluxkeep session 1"
    digest_method = staticmethod(hashlib.sha256)

    def get_cookie_secure(self, app: Flask) -> bool:
        return bool(app.config["SESSION_COOKIE_SECURE"]) or request.is_secure


def install(app: Flask, settings: Settings) -> None:
    first, *others = (secret.get_secret_value() for secret in settings.secret_key)
    app.secret_key, is_https = first, settings.base_url.startswith("https:")
    app.config.update(
        SECRET_KEY_FALLBACKS=others,
        # With https the prefix makes browsers refuse the cookie from any other host.
        SESSION_COOKIE_NAME=f"__Host-{_COOKIE}" if is_https else _COOKIE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",  # a link in an e-mail opens its page without a login
        SESSION_COOKIE_SECURE=is_https,
        SESSION_REFRESH_EACH_REQUEST=False,  # media and API responses must not set cookies
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=IDLE_SECONDS),
    )
    app.session_interface = CookieSession()


def current_visitor() -> ApiKey | None:
    """The key that this request's session was started with, or None without a valid session."""
    if "visitor" not in g:
        settings, known = services().settings, session.get("key")
        keys = itertools.product(settings.secret_key, settings.api_keys)
        found = (key for secret, key in keys if _key_hash(secret, key) == known)
        key, session_id = next(found, None), session.get("id")
        is_old = _now() - int(session.get("since", 0)) >= LIFE_MAX_SECONDS
        g.visitor = None if is_old or not session_id else key
        with suppress(StoreUnavailable):  # without Redis no page has anything to show or to change
            if g.visitor and str(session_id) in services().ended_sessions:
                g.visitor = None
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


def _key_hash(secret: SecretStr, key: ApiKey) -> str:
    """HMAC-SHA256 of key and scope; without SECRET_KEY it does not help to guess the key."""
    message = b"fluxkeep session 1" + key.digest + key.scope.encode()
    return hmac.new(secret.get_secret_value().encode(), message, hashlib.sha256).hexdigest()


def _now() -> int:
    return int(time.time())
