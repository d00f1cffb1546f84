"""The storage that MEDIA_URL names: a local directory or a bucket."""

import logging
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from jobs.errors import InvalidSettings, StorageError, StorageMisconfigured
from jobs.storage.base import MediaStorage
from jobs.storage.bucket import BucketStorage
from jobs.storage.local import LocalStorage
from jobs.storage.providers import BACKGROUND_LIMITS, Provider, RequestLimits

FEW_BYTES = 8
_ELSEWHERE = "Name a directory that can be made or is there, and lets us write."
START_LIMITS = RequestLimits(10.0, 1)

log = logging.getLogger(__name__)


def open_storage(
    url: str, variables: Mapping[str, SecretStr], limits: RequestLimits = BACKGROUND_LIMITS
) -> MediaStorage:
    """Raises InvalidSettings when it can be told without asking that it cannot be used."""
    if urlsplit(url).scheme == "file":
        try:
            return LocalStorage(Path(unquote(urlsplit(url).path)))
        except StorageError as error:
            raise InvalidSettings(f"MEDIA_URL: {error}. {_ELSEWHERE}") from None
    plain = {name: secret.get_secret_value() for name, secret in variables.items()}
    return BucketStorage(Provider(url, plain, limits))


def verify_access(url: str, variables: Mapping[str, SecretStr]) -> None:
    """Try at the start what every job will need. Raises InvalidSettings when it is refused.

    A bucket that does not answer may be back in a minute and stops nobody: callbacks can be put
    on record meanwhile. It is asked by a process of its own, because the threads that obstore
    starts for it would be missing in every process forked from this one.
    """
    media = open_storage(url, variables, START_LIMITS)
    if isinstance(media, LocalStorage):
        return
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(1, mp_context=context) as aside:
            aside.submit(_try, url, variables).result()
    except StorageMisconfigured as error:
        raise InvalidSettings(f"MEDIA_URL: {error}") from None
    except (StorageError, BrokenProcessPool) as error:
        log.warning("storage: %s", error)


def _try(url: str, variables: Mapping[str, SecretStr]) -> None:
    open_storage(url, variables, START_LIMITS).check(FEW_BYTES)
