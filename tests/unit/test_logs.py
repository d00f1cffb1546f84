"""Log lines: fields, formats, and secrets that they never show."""

import json
import logging
import sys
from typing import Any

import pytest

from jobs.config import settings
from jobs.observability import logs
from jobs.observability.logs import JsonFormatter, TextFormatter
from jobs.observability.redaction import HIDDEN, Redaction

SECRETS = {
    "WEBHOOK_SECRET": "the-own-webhook-secret,an-older-webhook-secret",
    "SECRET_KEY": "the-signing-key-of-logs",
    "API_KEYS": "app:the-api-key-of-logs:admin",
    "BFL_API_KEY": "the-bfl-key",
    "BFL_API_KEY_APP": "the-own-bfl-key",
    "REDIS_URL": "redis://user:the-redis-password@127.0.0.1/0",
    "NOTIFY_SECRET": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "NOTIFY_URL": "https://hooks.example/services/the-token-in-a-path#lost,"
    "https://other.example:443/services/other",
    "AWS_SECRET_ACCESS_KEY": "the-storage-key",
    "SENTRY_DSN": "https://the-dsn-key@sentry.example/1",
}
PLANTED = [
    *SECRETS["WEBHOOK_SECRET"].split(","),
    *(SECRETS[name] for name in ("SECRET_KEY", "BFL_API_KEY", "BFL_API_KEY_APP", "NOTIFY_SECRET")),
    "https://hooks.example/services/the-token-in-a-path",
    *("https://other.example:443/services/other", "https://other.example/services/other"),
    *("the-api-key-of-logs", "the-redis-password", "the-storage-key", "the-dsn-key"),
]
REDACTION = Redaction(settings.load(SECRETS))


def line(message: str, *arguments: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("worker.rescue", level, __file__, 1, message, arguments, None)


def as_json(record: logging.LogRecord) -> dict[str, Any]:
    said = JsonFormatter("worker", REDACTION).format(record)
    assert "\n" not in said
    event: dict[str, Any] = json.loads(said)
    return event


def test_a_line_about_a_job_has_its_id_as_a_field() -> None:
    event = as_json(line("job %s: stored, its URL had %.0f s to live", "abc", 580.2))
    assert event.pop("time").endswith("Z") and event.pop("pid") > 0
    assert event == {
        "level": "info",
        "process": "worker",
        "logger": "worker.rescue",
        "job": "abc",
        "message": "stored, its URL had 580 s to live",
    }


def test_text_is_one_line_even_with_line_breaks_in_its_arguments() -> None:
    said = TextFormatter(REDACTION).format(
        line("job %s: %s", "abc", "one\n2026-01-01 ERROR forged\x1b[31m")
    )
    assert "\n" not in said and "\x1b" not in said
    assert said.endswith("INFO worker.rescue: job abc: one\\n2026-01-01 ERROR forged\\x1b[31m")


@pytest.mark.parametrize("secret", PLANTED)
def test_no_secret_of_the_settings_is_logged(secret: str) -> None:
    for said in (
        json.dumps(as_json(line("job %s: %s", "abc", f"it was {secret}, indeed"))),
        TextFormatter(REDACTION).format(line(f"it was {secret}, indeed")),
    ):
        assert secret not in said and HIDDEN in said


@pytest.mark.parametrize(
    "text",
    [
        "GET https://delivery.bfl.ai/a/sample.jpeg?se=1&sig=canary HTTP/1.1",
        "GET /media/canary.canary.canary?download=1",
        "POST /webhooks/bfl/canary-token",
        "Authorization: Bearer canary",
        "x-key: canary",
        "amqp://user:canary@host/",
    ],
)
def test_text_like_a_token_or_a_signed_query_is_redacted(text: str) -> None:
    assert "canary" not in REDACTION(text)
    for harmless in ("job abc: stored", "a/b/c?", "see https://bfl.ai/docs", "50 % off"):
        assert REDACTION(harmless) == harmless


def test_a_traceback_is_a_field_and_its_secrets_are_hidden() -> None:
    record = line("unexpected")
    try:
        int("the-bfl-key")
    except ValueError:
        record.exc_info = sys.exc_info()
    event = as_json(record)
    assert event["error"] == "ValueError" and "Traceback" in event["traceback"]
    assert "the-bfl-key" not in str(event)


@pytest.mark.parametrize(
    ("wanted", "kind"), [("json", JsonFormatter), ("text", TextFormatter), ("auto", JsonFormatter)]
)
def test_the_format_is_chosen_or_found_out(wanted: str, kind: type) -> None:
    assert not sys.stderr.isatty()
    chosen = settings.load({**SECRETS, "LOG_FORMAT": wanted})
    assert isinstance(logs.formatter(chosen, "web"), kind)
