"""Secrets for a developer's machine, made once and kept in a file that only its owner can read."""

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values


def missing_secrets(given: Mapping[str, str], path: Path) -> dict[str, str]:
    """What `given` has no value for, from the file at `path`; what that lacks is made."""
    kept = {name: value for name, value in dotenv_values(path).items() if value}
    whole = {**_fresh(), **kept}
    if whole != kept:
        _write(path, whole)
    return {name: value for name, value in whole.items() if not is_set(given, name)}


def is_set(given: Mapping[str, str], name: str) -> bool:
    """Whether a setting has a value, or a file that holds it."""
    return bool(given.get(name) or given.get(f"{name}_FILE"))


def _fresh() -> dict[str, str]:
    return {
        "WEBHOOK_SECRET": secrets.token_urlsafe(24),
        "SECRET_KEY": secrets.token_urlsafe(32),
        "API_KEYS": f"dev:{secrets.token_urlsafe(18)}:admin",
        "NOTIFY_SECRET": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
    }


def _write(path: Path, values: Mapping[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
