"""Open the storage of MEDIA_URL: a local directory or a bucket."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from jobs.domain.errors import InvalidSettings, StorageError
from jobs.storage.base import MediaStorage
from jobs.storage.limits import BACKGROUND_LIMITS, RequestLimits
from jobs.storage.local import LocalStorage


def open_storage(
    url: str, variables: Mapping[str, SecretStr], limits: RequestLimits = BACKGROUND_LIMITS
) -> MediaStorage:
    """Open MEDIA_URL with its provider's variables. Raises InvalidSettings, without a request."""
    if url.startswith("file:"):
        try:
            return LocalStorage(Path(unquote(urlsplit(url).path)))
        except StorageError as error:
            advice = "Name a directory that exists or can be created, and is writable."
            raise InvalidSettings(f"MEDIA_URL: {error}. {advice}") from None
    storage: MediaStorage = _bucket_module().open_bucket(url, _plain_variables(variables), limits)
    return storage


def verify_access(url: str, variables: Mapping[str, SecretStr]) -> None:
    """Check at the start that a bucket accepts us. Raises InvalidSettings if it refuses."""
    open_storage(url, variables)
    if not url.startswith("file:"):
        _bucket_module().verify(url, _plain_variables(variables))


def sends_plain_http(url: str, variables: Mapping[str, str]) -> bool:
    """Whether media and signatures go unencrypted to a bucket on another machine."""
    if url.startswith("file:"):
        return False
    providers = import_module("jobs.storage.providers")  # it imports obstore
    is_plain: bool = providers.sends_plain_http(url, variables)
    return is_plain


def _bucket_module() -> Any:
    """Import the module of buckets, for a bucket only: its obstore takes 4 MB in each process."""
    return import_module("jobs.storage.bucket")


def _plain_variables(variables: Mapping[str, SecretStr]) -> dict[str, str]:
    return {name: secret.get_secret_value() for name, secret in variables.items()}
