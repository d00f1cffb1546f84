"""Sessions of the dashboard: a signed cookie that names an API key and can be ended by us.

The cookie holds no key, only a keyed hash of it. A session ends with a logout, with its key's
entry in API_KEYS, 12 hours after the last page, and 7 days after the login. A page needs a scope
of its key, and a change a CSRF token. A login leads back to where it was asked for.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, cast

from flask import Flask, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from pydantic import SecretStr

from jobs.config.api_keys import ApiKey, Scope
from jobs.config.settings import Settings
from jobs.domain.errors import StoreUnavailable
from receiver.context import current_services
from receiver.dashboard import csrf, form_body

IDLE_SECONDS = 12 * 3600
RENEWED_AFTER_SECONDS = 3600
LIFE_MAX_SECONDS = 7 * 86400

_COOKIE = "fluxkeep-session"
# Browsers read a backslash as a slash, and skip control characters.
_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,2000}")

P = ParamSpec("P")
View = Callable[P, ResponseReturnValue]


class CookieSession(SecureCookieSessionInterface):
    """Flask's cookie session; the cookie is Secure wherever the request came over https."""

    salt = "fluxkeep session 1"
    digest_method = staticmethod(hashlib.sha256)

    def get_cookie_secure(self, app: Flask) -> bool:
        return bool(app.config["SESSION_COOKIE_SECURE"]) or request.is_secure


def install(app: Flask, settings: Settings) -> None:
    signing_secret, *former_secrets = [secret.get_secret_value() for secret in settings.secret_key]
    app.secret_key = signing_secret
    is_https = settings.base_url.startswith("https:")
    cookie_name = _COOKIE
    if is_https:  # the prefix makes browsers refuse the cookie from any other host
        cookie_name = f"__Host-{_COOKIE}"
    app.config.update(
        SECRET_KEY_FALLBACKS=former_secrets,
        SESSION_COOKIE_NAME=cookie_name,
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
        g.visitor = _key_of_session()
    return cast(ApiKey | None, g.visitor)


def _key_of_session() -> ApiKey | None:
    session_id = session.get("id")
    is_too_old = _now() - int(session.get("since", 0)) >= LIFE_MAX_SECONDS
    if is_too_old or not session_id:
        return None
    services = current_services()
    key = _find_key(services.settings, session.get("key"))
    if key is None:
        return None
    with suppress(StoreUnavailable):  # without Redis no page has anything to show or to change
        if str(session_id) in services.ended_sessions:
            return None
    return key


def _find_key(settings: Settings, key_hash: str | None) -> ApiKey | None:
    """The API key with a hash that the present SECRET_KEY or an older one gave it."""
    for secret in settings.secret_key:
        for key in settings.api_keys:
            if _key_hash(secret, key) == key_hash:
                return key
    return None


def start(key: ApiKey) -> None:
    """Start a new session; the one before ends, so that no session can be planted."""
    end()
    now = _now()
    secret = current_services().settings.secret_key[0]
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
    session_id = session.get("id")
    if session_id:
        current_services().ended_sessions.add(str(session_id), LIFE_MAX_SECONDS)
    session.clear()
    session.permanent = True
    g.pop("visitor", None)


def _key_hash(secret: SecretStr, key: ApiKey) -> str:
    """HMAC-SHA256 of key and scope; without SECRET_KEY it does not help to guess the key."""
    message = b"fluxkeep session 1" + key.digest + key.scope.encode()
    return hmac.new(secret.get_secret_value().encode(), message, hashlib.sha256).hexdigest()


def _now() -> int:
    return int(time.time())


def requires_scope(scope: Scope, *, uploads: bool = False) -> Callable[[View[P]], View[P]]:
    """Let a view answer only sessions with at least this scope; a POST also needs a CSRF token.

    Without a session the visitor is redirected to the login page. Raises Forbidden.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            visitor = current_visitor()
            if visitor is None:
                # By GET: a change is not repeated after the login.
                return redirect(url_for("dashboard.login.show", next=current_path()), 303)
            visitor.require_scope(scope)
            g.api_key = visitor
            renew()
            if request.method != "POST":
                return view(*args, **kwargs)
            is_upload = uploads and request.mimetype == "multipart/form-data"
            if not is_upload:
                csrf.require_token()
                return view(*args, **kwargs)
            with form_body.uploaded():
                csrf.require_token()
                return view(*args, **kwargs)

        return guarded

    return decorate


def local_path(target: str | None) -> str:
    """`target` if it is a path of this origin, else the first page."""
    if target and _LOCAL_PATH.fullmatch(target):
        return target
    return "/"


def current_path() -> str:
    """Path and query of the current request, as a form may send them back."""
    return local_path(request.full_path.removesuffix("?"))
