"""Check at the start that a bucket accepts us."""

import logging
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from jobs.domain.errors import InvalidSettings, StorageError, StorageMisconfigured
from jobs.storage.bucket import open_bucket
from jobs.storage.request_timeouts import START_LIMITS

PROBE_BYTES = 8

log = logging.getLogger(__name__)


def verify(url: str, variables: Mapping[str, str]) -> None:
    """Raise InvalidSettings if the bucket refuses a small object.

    A bucket that does not answer stops no process: callbacks can be recorded without it. A child
    process asks, because obstore's threads would be missing in processes forked from this one.
    """
    context = multiprocessing.get_context("fork")
    try:
        with ProcessPoolExecutor(1, mp_context=context) as child:
            child.submit(_probe, url, variables).result()
    except StorageMisconfigured as error:
        raise InvalidSettings(f"MEDIA_URL: {error}") from None
    except (StorageError, BrokenProcessPool) as error:
        log.warning("storage: %s", error)


def _probe(url: str, variables: Mapping[str, str]) -> None:
    open_bucket(url, variables, START_LIMITS).probe(PROBE_BYTES)
