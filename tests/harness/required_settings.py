"""Required settings, and the error of a start with wrong ones."""

import pytest

from jobs.config.settings import load
from jobs.domain.errors import InvalidSettings

SECRETS = {
    "WEBHOOK_SECRET": "webhook-secret-of-tests",
    "SECRET_KEY": "signing-key-of-tests",
    "API_KEYS": "a:admin-key-of-tests:admin",
}
CANARY = "canary"
REQUIRED = {
    "WEBHOOK_SECRET": "webhook-secret-canary",
    "SECRET_KEY": "signing-key-canary",
    "API_KEYS": "app:the-app-key-canary:submit",
}


def start_error(**values: str | None) -> str:
    """Error message of a refused start; None removes a variable."""
    environment = {k: v for k, v in {**REQUIRED, **values}.items() if v is not None}
    with pytest.raises(InvalidSettings) as caught:
        load(environment)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    return str(caught.value)
