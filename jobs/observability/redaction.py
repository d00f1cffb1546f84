"""Redaction of secrets and URL queries in logs and error reports: a second line of defence."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from jobs.config.environment import PROVIDER_SECRETS
from jobs.config.settings import Settings

SECRET_MIN_CHARS = 6  # shorter secrets are words that can appear anywhere
HIDDEN = "[hidden]"

_SIGNED_PATH = re.compile(r"(/(?:media|webhooks/bfl|login)/)[^\s?\"'<>]+")
_URL_CREDENTIALS = re.compile(r"(://)[^\s/@\"']+@")
# Also matches URLs without a query, so that no text is scanned twice: linear time.
_URL = re.compile(r"(://[^\s?\"'<>]*)(\?[^\s\"'<>]*)?")
_SECRET_HEADER = re.compile(r"((?:Bearer|x-key:?|X-Webhook-Secret:?)\s+)[^\s\"']+", re.IGNORECASE)


class Redaction:
    """Replace an installation's secrets, and anything in the form of its tokens."""

    def __init__(self, settings: Settings) -> None:
        self._secrets = _pattern_of_secrets(settings)

    def __call__(self, text: str) -> str:
        redacted = text
        if self._secrets is not None:
            redacted = self._secrets.sub(HIDDEN, redacted)
        redacted = _SIGNED_PATH.sub(rf"\1{HIDDEN}", redacted)
        redacted = _URL_CREDENTIALS.sub(rf"\1{HIDDEN}@", redacted)
        redacted = _URL.sub(_without_query, redacted)
        return _SECRET_HEADER.sub(rf"\1{HIDDEN}", redacted)


def _without_query(url: re.Match[str]) -> str:
    address = url[1]
    query = url[2]
    if not query:
        return address
    return f"{address}?{HIDDEN}"


def _pattern_of_secrets(settings: Settings) -> re.Pattern[str] | None:
    """Any secret of the settings; a longer one first, which may begin with a shorter one."""
    secrets = set[str]()
    for secret in _secrets(settings):
        if len(secret) >= SECRET_MIN_CHARS:
            secrets.add(secret)
    if not secrets:
        return None
    longest_first = sorted(secrets, key=len, reverse=True)
    return re.compile("|".join(re.escape(secret) for secret in longest_first))


def _secrets(settings: Settings) -> Iterator[str]:
    """All secrets of the settings; some may be empty."""
    for secret in _secret_settings(settings):
        yield secret.get_secret_value()
    for notify_url in settings.notify_url:
        yield str(notify_url.parsed)  # as errors of requests have it
    yield from _secrets_of_redis(settings.redis_url.get_secret_value())
    if settings.database_url is not None:
        yield from _secrets_of_database(settings.database_url.get_secret_value())
    if settings.sentry_dsn is not None:
        key_of_dsn = urlsplit(settings.sentry_dsn.get_secret_value()).username
        yield key_of_dsn or ""


def _secret_settings(settings: Settings) -> Iterator[SecretStr]:
    """Values that are secret as a whole."""
    yield from settings.webhook_secret
    yield from settings.secret_key
    yield from settings.notify_secret
    if settings.bfl_api_key is not None:
        yield settings.bfl_api_key
    yield from settings.bfl_api_keys.values()
    for name in PROVIDER_SECRETS:
        provider_secret = settings.media_options.get(name)
        if provider_secret is not None:
            yield provider_secret
    for api_key in settings.api_keys:
        yield api_key.key
    for notify_url in settings.notify_url:
        yield notify_url.url


def _secrets_of_redis(redis_url: str) -> Iterator[str]:
    """Passwords of the server and of Sentinels, which may also stand in the query."""
    parts = urlsplit(redis_url)
    yield parts.password or ""
    options = parse_qs(parts.query)
    yield from options.get("password", ())
    yield from options.get("sentinel_password", ())


def _secrets_of_database(database_url: str) -> Iterator[str]:
    """The password in both places of the URL, as it stands there and without escapes."""
    parts = urlsplit(database_url)
    passwords = [parts.password or ""]
    passwords += parse_qs(parts.query).get("password", ())
    for password in passwords:
        yield password
        yield unquote(password)
