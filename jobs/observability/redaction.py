"""Redaction of secrets and URL queries in logs and error reports: a second line of defence."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from jobs.config.environment import PROVIDER_SECRETS
from jobs.config.settings import Settings

SECRET_MIN_CHARS = 6  # shorter secrets are words that can appear anywhere
HIDDEN = "[hidden]"

_REDIS_PASSWORDS = ("password", "sentinel_password")
_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(/(?:media|webhooks/bfl|login)/)[^\s?\"'<>]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(://)[^\s/@\"']+@"), rf"\1{HIDDEN}@"),
    # Also matches URLs without a query, so that no text is scanned twice: linear time.
    (
        re.compile(r"(://[^\s?\"'<>]*)(\?[^\s\"'<>]*)?"),
        lambda url: f"{url[1]}?{HIDDEN}" if url[2] else url[1],
    ),
    (
        re.compile(r"((?:Bearer|x-key:?|X-Webhook-Secret:?)\s+)[^\s\"']+", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
)


class Redaction:
    """Replace an installation's secrets, and anything in the form of its tokens."""

    def __init__(self, settings: Settings) -> None:
        long = {one for one in _secrets(settings) if len(one) >= SECRET_MIN_CHARS}
        known = sorted(long, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        found = self._known.sub(HIDDEN, text) if self._known else text
        for pattern, replacement in _PATTERNS:
            found = pattern.sub(replacement, found)
        return found


def _secrets(settings: Settings) -> Iterator[str]:
    lists = (settings.webhook_secret, settings.secret_key, settings.notify_secret)
    options = (settings.media_options.get(name) for name in PROVIDER_SECRETS)
    single = (settings.bfl_api_key, *settings.bfl_api_keys.values(), *options)
    keys = (key.key for key in settings.api_keys)
    secrets: list[SecretStr] = [one for each in lists for one in each]
    urls = (url.url for url in settings.notify_url)
    for secret in (*secrets, *filter(None, single), *keys, *urls):
        yield secret.get_secret_value()
    yield from (str(url.parsed) for url in settings.notify_url)
    redis = urlsplit(settings.redis_url.get_secret_value())
    yield redis.password or ""
    asked = parse_qs(redis.query)
    yield from (one for name in _REDIS_PASSWORDS for one in asked.get(name, ()))
    if settings.database_url:
        database = urlsplit(settings.database_url.get_secret_value())
        given = [database.password or "", *parse_qs(database.query).get("password", ())]
        yield from (*given, *map(unquote, given))
    if settings.sentry_dsn:
        yield urlsplit(settings.sentry_dsn.get_secret_value()).username or ""
