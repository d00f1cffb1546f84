"""Who looks at the dashboard: a session in a signed cookie, which ends with the key behind it."""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, cast

from flask import Flask, current_app, g, request, session
from flask.sessions import SecureCookieSessionInterface

from jobs.config.api_keys import SCOPES, ApiKey, Scope
from jobs.config.settings import Settings

LIFE_SECONDS = 12 * 3600  # without a look at any page
RENEWED_AFTER_SECONDS = 3600
LIFE_MAX_SECONDS = 7 * 86400  # then one has to log in again

_NAME = "fluxkeep-visitors"
_COOKIE = "fluxkeep-session"
_FINGERPRINT = "fluxkeep session 1"


class Visitor(NamedTuple):
    """Whom a key belongs to, by its entry in API_KEYS, and what it may do."""

    name: str
    scope: Scope

    def may(self, scope: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)


@dataclass(frozen=True, slots=True)
class Visitors:
    """All who may come, by what their sessions hold instead of the key."""

    by_fingerprint: dict[str, Visitor]
    secret: bytes

    @classmethod
    def of(cls, settings: Settings) -> "Visitors":
        made = [secret.get_secret_value().encode() for secret in settings.secret_key]
        known = {
            _fingerprint(secret, key): Visitor(key.name, key.scope)
            for secret in made
            for key in settings.api_keys
        }
        return cls(known, made[0])

    def fingerprint(self, key: ApiKey) -> str:
        return _fingerprint(self.secret, key)


def _fingerprint(secret: bytes, key: ApiKey) -> str:
    """Tells keys apart, and helps nobody to guess one who does not know our SECRET_KEY."""
    said = _FINGERPRINT.encode() + key.digest + key.scope.encode()
    return hmac.new(secret, said, hashlib.sha256).hexdigest()


class Cookie(SecureCookieSessionInterface):
    """Sent back over https alone wherever the login came that way."""

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
        SESSION_COOKIE_SAMESITE="Lax",  # a link in a mail leads to its page, not to the login
        SESSION_COOKIE_SECURE=settings.base_url.startswith("https:"),
        SESSION_REFRESH_EACH_REQUEST=False,  # media and API answers must not set cookies
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=LIFE_SECONDS),
    )
    app.session_interface = Cookie()
    app.extensions[_NAME] = Visitors.of(settings)


def cookie_name(settings: Settings) -> str:
    """With the prefix, browsers take the cookie from this host alone, and over https alone."""
    return f"__Host-{_COOKIE}" if settings.base_url.startswith("https:") else _COOKIE


def visitors() -> Visitors:
    return cast(Visitors, current_app.extensions[_NAME])


def visitor() -> Visitor | None:
    """Who asks, None without a session that still holds."""
    if "visitor" not in g:
        holds = _now() - int(session.get("since", 0)) < LIFE_MAX_SECONDS
        g.visitor = visitors().by_fingerprint.get(str(session.get("key"))) if holds else None
    return cast(Visitor | None, g.visitor)


def enter(key: ApiKey) -> None:
    """A session of its own for each login: what was in the cookie before is worth nothing."""
    leave()
    session.update(key=visitors().fingerprint(key), since=_now(), seen=_now())
    forgery_token()


def renew() -> None:
    """A look at a page keeps a session alive."""
    if _now() - int(session.get("seen", 0)) > RENEWED_AFTER_SECONDS:
        session["seen"] = _now()


def leave() -> None:
    session.clear()
    session.permanent = True
    g.pop("visitor", None)


def forgery_token() -> str:
    """What a form has to bring back to prove that it is ours; it lasts as long as the session."""
    if "forgery" not in session:
        session.permanent = True
        session["forgery"] = secrets.token_urlsafe(24)
    return str(session["forgery"])


def _now() -> int:
    return int(time.time())
