"""Error reports to Sentry; the SDK is loaded only when SENTRY_DSN is set."""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from jobs.config.settings import Settings
from jobs.domain.errors import InvalidSettings
from jobs.domain.json_values import map_texts
from jobs.observability.redaction import HIDDEN, Redaction

SDK = "sentry_sdk"
REQUIREMENTS = "deploy/requirements-reporting.txt"
FLUSH_SECONDS = 2.0
# Fields that can hold requests, variables or messages.
_REMOVED_FIELDS = ("request", "extra", "user", "modules", "breadcrumbs")


def missing_package(settings: Settings) -> str | None:
    """The problem, as in InvalidSettings, when SENTRY_DSN is set and its package is missing."""
    if settings.sentry_dsn is None or find_spec(SDK):
        return None
    return f"SENTRY_DSN: needs packages that are not installed; pip install -r {REQUIREMENTS}"


def configure(settings: Settings, process: str) -> None:
    """Initialize the SDK. Raises InvalidSettings when its package is missing."""
    problem = missing_package(settings)
    if problem is not None:
        raise InvalidSettings(problem)
    if settings.sentry_dsn is None:
        return
    logs = import_module(f"{SDK}.integrations.logging")
    excepthook = import_module(f"{SDK}.integrations.excepthook")
    redacted = Redaction(settings)
    import_module(SDK).init(
        dsn=settings.sentry_dsn.get_secret_value(),
        default_integrations=False,
        integrations=[logs.LoggingIntegration(level=None), excepthook.ExcepthookIntegration()],
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        before_send=lambda event, _hint: scrub(event, process, redacted),
    )


def scrub(event: dict[str, Any], process: str, redacted: Redaction) -> dict[str, Any]:
    """Remove requests, variables and texts: the message of an exception can hold a part of each."""
    remaining = {name: value for name, value in event.items() if name not in _REMOVED_FIELDS}
    exceptions = remaining.get("exception")
    if exceptions:
        for exception in exceptions.get("values", ()):
            exception["value"] = HIDDEN
    remaining["tags"] = {"process": process}
    return dict(map_texts(remaining, redacted))


def flush() -> None:
    """Send buffered events before the process exits."""
    sdk = sys.modules.get(SDK)
    if sdk is not None:
        sdk.flush(timeout=FLUSH_SECONDS)
