"""Storage for media: a local directory or a bucket behind one interface."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from jobs.domain.errors import InvalidSettings, StorageError
from jobs.storage.base import MediaStorage
from jobs.storage.local import LocalStorage


class RequestLimits(NamedTuple):
    """Total time of one request to a bucket in seconds, and its number of retries."""

    seconds: float
    retries: int


BACKGROUND_LIMITS = RequestLimits(60.0, 3)
WEB_LIMITS = RequestLimits(4.0, 1)
START_LIMITS = RequestLimits(10.0, 1)


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
    # obstore takes 4 MB in each process, and a directory needs none of it.
    bucket: MediaStorage = import_module("jobs.storage.bucket").open_bucket(
        url, _plain(variables), limits
    )
    return bucket


def verify_access(url: str, variables: Mapping[str, SecretStr]) -> None:
    """Check at the start that a bucket accepts us. Raises InvalidSettings if it refuses."""
    open_storage(url, variables)
    if not url.startswith("file:"):
        import_module("jobs.storage.bucket").verify(url, _plain(variables))


def _plain(variables: Mapping[str, SecretStr]) -> dict[str, str]:
    return {name: secret.get_secret_value() for name, secret in variables.items()}
