"""Rescue of one file: download, verify, publish."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from jobs import sidecars, views
from jobs.domain.errors import NotMedia, TransferFailed
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.services import Services
from jobs.storage.layout import object_key
from worker import download
from worker.backoff import backoff_seconds
from worker.claim import HeldClaim
from worker.formats import content_credentials, sniff

QUICK_ATTEMPTS = 3  # under one claim
QUICK_BACKOFF_SECONDS = (0.4, 1.0)  # the first, the longest
# A URL that looks expired is tried all the same: the clock of this machine may be wrong.
LEAST_SECONDS = 20.0
# A storage reports no progress: the time it may take grows with the size of a file.
STORAGE_SECONDS = 60.0
STORAGE_BYTES_PER_SECOND = 250_000

log = logging.getLogger(__name__)


class Published(NamedTuple):
    """A file in the storage; if this claim published it, also when, its sidecar and a doubt.

    A doubt says what contradicts the bytes, which came twice alike.
    """

    file: MediaFile
    at: float = 0.0
    sidecar: bytes = b""
    doubt: str = ""


def rescue_file(
    services: Services, claim: HeldClaim, n: int, others: Mapping[int, Published]
) -> Published:
    """Publish the n-th file of a job; a broken transfer is repeated soon.

    `others` are the files that are published already.
    Raises TransferFailed, MediaRefused, UrlExpired, StorageError, ClaimLost.
    """
    doubted = set[str]()
    for attempt in range(QUICK_ATTEMPTS - 1):
        try:
            return _download_and_publish(services, claim, n, others, doubted)
        except (TransferFailed, NotMedia) as error:
            log.info("job %s: %s", claim.job.id, error)
            if _seconds_left(services, claim.job) <= 0:
                raise
        time.sleep(backoff_seconds(attempt, *QUICK_BACKOFF_SECONDS))
    return _download_and_publish(services, claim, n, others, doubted)


def _seconds_left(services: Services, job: Job) -> float:
    now = services.store.now()
    until = max(job.delivery.expire_at or 0.0, now + LEAST_SECONDS)
    return min(until, job.deadline) - now


def _download_and_publish(
    services: Services,
    claim: HeldClaim,
    n: int,
    others: Mapping[int, Published],
    doubted: set[str],
) -> Published:
    """Publish a verified file at once, whether or not Redis answers.

    `doubted` has the SHA-256 of each earlier download with a doubt. The same bytes twice in sound
    framing are the file: a proof that contradicts them is wrong itself.
    """
    job, policy = claim.job, services.host_policy
    address = policy.validate_delivery_url(job.delivery.urls[n])
    seconds = _seconds_left(services, job)
    if seconds <= 0:
        raise TransferFailed("there is no time left")
    claim.report_progress()
    with services.storage.staging(job.id) as path:
        downloaded = download.download(
            download.session(policy.sandboxes),
            address,
            path,
            download.Limits(seconds, services.settings.max_media_bytes),
            job.delivery.roles[n],
            allow=policy.validate_delivery_url,
            progress=claim.report_progress,
        )
        if downloaded.doubt and downloaded.sha256 not in doubted:
            doubted.add(downloaded.sha256)
            raise TransferFailed(downloaded.doubt)
        token, content_type = job.lease.fencing_token, downloaded.content_type
        file = MediaFile(
            key=object_key(job.id, job.created_at, n, token, content_type),
            content_type=content_type,
            bytes=downloaded.bytes,
            sha256=downloaded.sha256,
            role=job.delivery.roles[n],
            has_content_credentials=content_credentials.are_present(path, content_type),
            **sniff.dimensions(path, content_type)._asdict(),
        )
        now, files = services.store.now(), {at: one.file for at, one in others.items()} | {n: file}
        media = tuple(files[at] for at in sorted(files))
        # Of the stored job, as soon as no file is missing.
        is_whole = len(media) == len(job.delivery.urls)
        known = job.stored(now, media) if is_whole else replace(job, media=media)
        sidecar = sidecars.render(known)
        with claim.silence(STORAGE_SECONDS + file.bytes / STORAGE_BYTES_PER_SECOND):
            # The sidecar goes first (I10), so that any object can be recovered.
            services.storage.publish(path, file.key, views.file_name(job, n, file.key), sidecar)
    return Published(file, now, sidecar, downloaded.doubt)
