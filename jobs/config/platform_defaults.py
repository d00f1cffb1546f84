"""Values for variables that are not set: what a platform tells, and what SECRET_KEY gives.

A platform sets its own variables in each process. No client can choose them.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from jobs.config.values import split_list

ANY_PROXY = "*"
# In each of them a process can be reached through the platform's router alone.
_ROUTED_PLATFORMS = ("DYNO", "RENDER", "RAILWAY_ENVIRONMENT_ID", "FLY_APP_NAME")
# Names under which a platform's router reaches the process.
_HOST_VARIABLES = ("RAILWAY_PUBLIC_DOMAIN", "HEROKU_APP_DEFAULT_DOMAIN_NAME")

_WEBHOOK_PURPOSE = b"fluxkeep webhook secret 1"
_NOTIFY_PURPOSE = b"fluxkeep notify secret 1"


def fill_in(values: Mapping[str, str]) -> dict[str, str]:
    """The variables, and for missing ones the values that a platform or SECRET_KEY gives."""
    filled = dict(values)
    public_url = _public_url(values)
    if public_url:
        filled.setdefault("PUBLIC_URL", public_url)
    if any(values.get(name) for name in _ROUTED_PLATFORMS):
        filled.setdefault("FORWARDED_ALLOW_IPS", ANY_PROXY)
    secret_keys = split_list(filled.get("SECRET_KEY", ""))
    if secret_keys:
        filled.setdefault("WEBHOOK_SECRET", ",".join(map(derived_webhook_secret, secret_keys)))
        filled.setdefault("NOTIFY_SECRET", ",".join(map(derived_notify_secret, secret_keys)))
    return filled


def derived_webhook_secret(secret_key: str) -> str:
    return _derive(secret_key, _WEBHOOK_PURPOSE).hex()


def derived_notify_secret(secret_key: str) -> str:
    return f"whsec_{base64.b64encode(_derive(secret_key, _NOTIFY_PURPOSE)).decode()}"


def _derive(secret_key: str, purpose: bytes) -> bytes:
    """One secret tells nothing about another, nor about the key."""
    return hmac.digest(secret_key.encode(), purpose, hashlib.sha256)


def _public_url(values: Mapping[str, str]) -> str:
    """The https address of the web process as its platform tells it; empty if none does."""
    render_url = values.get("RENDER_EXTERNAL_URL")
    if render_url:
        return render_url
    for name in _HOST_VARIABLES:
        host = values.get(name)
        if host:
            return f"https://{host}"
    fly_app = values.get("FLY_APP_NAME")
    if fly_app:
        return f"https://{fly_app}.fly.dev"
    return ""
