"""Mistakes told to Sentry, where SENTRY_DSN names one; nothing is loaded otherwise."""

from typing import Any

from jobs.config.settings import Settings
from jobs.observability import optional
from jobs.observability.redaction import HIDDEN, Redaction

FLUSH_SECONDS = 2.0
# What could hold a request, a variable or somebody's words.
_LEFT_OUT = ("request", "extra", "user", "modules", "breadcrumbs")

_sdk: Any = None


def set_up(settings: Settings, process: str) -> None:
    """Raises InvalidSettings when its package is missing."""
    global _sdk  # noqa: PLW0603 - one for the process, as the SDK itself has it
    if settings.sentry_dsn is None:
        return
    _sdk = optional.load("sentry_sdk", "SENTRY_DSN")
    integrations = "sentry_sdk.integrations"
    logs = optional.load(f"{integrations}.logging", "SENTRY_DSN")
    hook = optional.load(f"{integrations}.excepthook", "SENTRY_DSN")
    redacted = Redaction.of(settings)
    _sdk.init(
        dsn=settings.sentry_dsn.get_secret_value(),
        default_integrations=False,
        integrations=[logs.LoggingIntegration(level=None), hook.ExcepthookIntegration()],
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        before_send=lambda event, _hint: scrubbed(event, process, redacted),
    )


def scrubbed(event: dict[str, Any], process: str, redacted: Redaction) -> dict[str, Any]:
    """An event without what was sent or said: an exception's text could hold either."""
    kept = {name: value for name, value in event.items() if name not in _LEFT_OUT}
    for exception in (kept.get("exception") or {}).get("values", ()):
        exception["value"] = HIDDEN
    kept["tags"] = {"process": process}
    cleaned: dict[str, Any] = _cleaned(kept, redacted)
    return cleaned


def _cleaned(value: Any, redacted: Redaction) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {name: _cleaned(one, redacted) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(one, redacted) for one in value]
    return value


def flush() -> None:
    """Before a process ends that nobody waits for."""
    if _sdk:
        _sdk.flush(timeout=FLUSH_SECONDS)
