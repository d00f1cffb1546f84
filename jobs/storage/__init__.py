"""Storage for media: a local directory or a bucket behind one interface."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from jobs.domain.errors import InvalidSettings, StorageError
from jobs.storage.base import MediaStorage
from jobs.storage.local import LocalStorage
from jobs.storage.request_timeouts import BACKGROUND_LIMITS, RequestLimits


def open_storage(
    url: str, variables: Mapping[str, SecretStr], limits: RequestLimits = BACKGROUND_LIMITS
) -> MediaStorage:
    """Open the storage of MEDIA_URL; `variables` are its provider's environment variables.

    Raises InvalidSettings for errors that need no request to be found.
    """
    if _is_directory(url):
        try:
            return LocalStorage(Path(unquote(urlsplit(url).path)))
        except StorageError as error:
            advice = "Name a directory that exists or can be created, and is writable."
            raise InvalidSettings(f"MEDIA_URL: {error}. {advice}") from None
    # obstore takes 4 MB in each process, and a directory needs none of it.
    bucket: MediaStorage = import_module("jobs.storage.bucket").open_bucket(
        url, _plain(variables), limits
    )
    return bucket


def verify_access(url: str, variables: Mapping[str, SecretStr]) -> None:
    """Check at the start that a bucket accepts us. Raises InvalidSettings if it refuses."""
    open_storage(url, variables)
    if not _is_directory(url):
        import_module("jobs.storage.bucket_probe").verify(url, _plain(variables))


def _is_directory(url: str) -> bool:
    return urlsplit(url).scheme == "file"


def _plain(variables: Mapping[str, SecretStr]) -> dict[str, str]:
    return {name: secret.get_secret_value() for name, secret in variables.items()}
