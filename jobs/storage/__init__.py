"""Storage for media: a local directory or a bucket behind one interface."""

import logging
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from jobs.domain.errors import InvalidSettings, StorageError, StorageMisconfigured
from jobs.storage.base import MediaStorage
from jobs.storage.bucket import BucketStorage
from jobs.storage.local import LocalStorage
from jobs.storage.providers import BACKGROUND_LIMITS, Provider, RequestLimits

PROBE_BYTES = 8
START_LIMITS = RequestLimits(10.0, 1)

log = logging.getLogger(__name__)


def open_storage(
    url: str, variables: Mapping[str, SecretStr], limits: RequestLimits = BACKGROUND_LIMITS
) -> MediaStorage:
    """Open the storage of MEDIA_URL; `variables` are its provider's environment variables.

    Raises InvalidSettings for errors that need no request to be found.
    """
    if urlsplit(url).scheme == "file":
        try:
            return LocalStorage(Path(unquote(urlsplit(url).path)))
        except StorageError as error:
            advice = "Name a directory that exists or can be created, and is writable."
            raise InvalidSettings(f"MEDIA_URL: {error}. {advice}") from None
    plain = {name: secret.get_secret_value() for name, secret in variables.items()}
    return BucketStorage(Provider(url, plain, limits))


def verify_access(url: str, variables: Mapping[str, SecretStr]) -> None:
    """Check at the start that a bucket accepts us. Raises InvalidSettings if it refuses.

    A bucket that does not answer stops no process: callbacks can be recorded without it. A child
    process asks, because obstore's threads would be missing in processes forked from this one.
    """
    if isinstance(open_storage(url, variables, START_LIMITS), LocalStorage):
        return
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(1, mp_context=context) as child:
            child.submit(_probe, url, variables).result()
    except StorageMisconfigured as error:
        raise InvalidSettings(f"MEDIA_URL: {error}") from None
    except (StorageError, BrokenProcessPool) as error:
        log.warning("storage: %s", error)


def _probe(url: str, variables: Mapping[str, SecretStr]) -> None:
    open_storage(url, variables, START_LIMITS).probe(PROBE_BYTES)
