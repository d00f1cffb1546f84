"""Rescue of one file: download, verify, publish."""

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from jobs import sidecars, views
from jobs.domain.errors import NotMedia, TransferFailed, UrlExpired
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.retry_policy import RetryPolicy
from jobs.services import Services
from jobs.storage.layout import object_key
from worker import download
from worker.claim import HeldClaim
from worker.download import Download
from worker.formats import content_credentials, sniff

QUICK_ATTEMPTS = 3  # under one claim
QUICK_RETRIES = RetryPolicy(first_seconds=0.4, longest_seconds=1.0)
# A URL that looks expired is tried all the same: the clock of this machine may be wrong.
LEAST_SECONDS = 20.0
# After a failure of this claim the job's next claim begins within this time.
NEXT_CLAIM_SECONDS = 60.0
# A storage reports no progress: the time it may take grows with the size of a file.
STORAGE_SECONDS = 60.0
STORAGE_BYTES_PER_SECOND = 250_000

log = logging.getLogger(__name__)


class Published(NamedTuple):
    """A file in the storage; if this claim published it, also the time, its sidecar and a doubt.

    A doubt says what contradicts the bytes. They were published all the same: two downloads were
    alike, or the URL died after one.
    """

    file: MediaFile
    at: float = 0.0
    sidecar: bytes = b""
    doubt: str = ""


def rescue_file(
    services: Services, claim: HeldClaim, number: int, earlier: Mapping[int, Published]
) -> Published:
    """Publish one file of a job; a broken transfer is repeated soon.

    `earlier` are the files that are published already, by their numbers.
    Raises TransferFailed, MediaRefused, UrlExpired, StorageError, ClaimLost.
    """
    rescue = _FileRescue(services, claim, number, earlier)
    try:
        return _attempt_some_times(rescue, claim.job.id)
    except (TransferFailed, NotMedia, UrlExpired) as error:
        is_url_dead = isinstance(error, UrlExpired)
        is_url_about_to_die = rescue.seconds_left() <= NEXT_CLAIM_SECONDS
        if rescue.doubted is None or not (is_url_dead or is_url_about_to_die):
            raise
        log.warning("job %s: %s; what came before is kept", claim.job.id, error)
        return rescue.publish_doubted()
    finally:
        rescue.close()


def _attempt_some_times(rescue: "_FileRescue", job_id: str) -> Published:
    for earlier_failures in range(QUICK_ATTEMPTS - 1):
        try:
            return rescue.attempt()
        except (TransferFailed, NotMedia) as error:
            log.info("job %s: %s", job_id, error)
            if rescue.seconds_left() <= 0:
                raise
        jitter_factor = QUICK_RETRIES.draw_jitter_factor()
        time.sleep(QUICK_RETRIES.pause_seconds(earlier_failures, jitter_factor=jitter_factor))
    return rescue.attempt()


class _DoubtedFile(NamedTuple):
    """A staged file that something contradicts. Its framing was sound: it is whole."""

    download: Download
    path: Path
    staging: ExitStack  # deletes the file


class _FileRescue:
    """The attempts to publish one file under one claim."""

    def __init__(
        self, services: Services, claim: HeldClaim, number: int, earlier: Mapping[int, Published]
    ) -> None:
        self._services = services
        self._claim = claim
        self._job = claim.job
        self._number = number
        self._role = claim.job.delivery.roles[number]
        self._earlier = earlier
        self._doubted_sha256 = set[str]()  # of each earlier download with a doubt
        self.doubted: _DoubtedFile | None = None  # the first download with a doubt

    def close(self) -> None:
        if self.doubted is not None:
            self.doubted.staging.close()

    def seconds_left(self) -> float:
        """Seconds until the URL expires, at the latest until the deadline of the job."""
        now = self._services.store.now()
        expire_at = self._job.delivery.expire_at or 0.0
        until = max(expire_at, now + LEAST_SECONDS)
        return min(until, self._job.deadline) - now

    def attempt(self) -> Published:
        """Download, verify and publish the file at once, whether or not Redis answers."""
        url = self._job.delivery.urls[self._number]
        address = self._services.host_policy.validate_delivery_url(url)
        seconds = self.seconds_left()
        if seconds <= 0:
            raise TransferFailed("there is no time left")
        self._claim.report_progress()
        with ExitStack() as staging:
            path = staging.enter_context(self._services.storage.staging(self._job.id))
            downloaded = download.download(
                download.session(self._services.host_policy.sandboxes),
                address,
                path,
                download.Limits(seconds, self._services.settings.max_media_bytes),
                self._role,
                allow=self._services.host_policy.validate_delivery_url,
                progress=self._claim.report_progress,
            )
            if self._is_doubted_for_the_first_time(downloaded):
                self._doubted_sha256.add(downloaded.sha256)
                if self.doubted is None:
                    self.doubted = _DoubtedFile(downloaded, path, staging.pop_all())
                raise TransferFailed(downloaded.doubt)
            return self._publish_download(downloaded, path)

    def _is_doubted_for_the_first_time(self, downloaded: Download) -> bool:
        """Whether something contradicts bytes that came for the first time.

        The same bytes twice in sound framing are the file: a proof that contradicts them is wrong
        itself.
        """
        return bool(downloaded.doubt) and downloaded.sha256 not in self._doubted_sha256

    def publish_doubted(self) -> Published:
        """Publish the bytes that came once, and that cannot be fetched once more."""
        if self.doubted is None:
            raise TransferFailed("nothing was downloaded")
        return self._publish_download(self.doubted.download, self.doubted.path)

    def _publish_download(self, downloaded: Download, path: Path) -> Published:
        file = self._describe(downloaded, path)
        published_at = self._services.store.now()
        sidecar = sidecars.render(self._job_with(file, published_at))
        self._publish(path, file, sidecar)
        return Published(file, published_at, sidecar, downloaded.doubt)

    def _describe(self, downloaded: Download, path: Path) -> MediaFile:
        content_type = downloaded.content_type
        dimensions = sniff.dimensions(path, content_type)
        return MediaFile(
            key=object_key(
                self._job.id,
                self._job.created_at,
                self._number,
                self._job.lease.fencing_token,
                content_type,
            ),
            content_type=content_type,
            bytes=downloaded.bytes,
            sha256=downloaded.sha256,
            role=self._role,
            has_content_credentials=content_credentials.are_present(path, content_type),
            width=dimensions.width,
            height=dimensions.height,
            seconds=dimensions.seconds,
        )

    def _job_with(self, file: MediaFile, now: float) -> Job:
        """The job for the sidecar: a stored one as soon as no file is missing."""
        files_by_number = dict[int, MediaFile]()
        for number, published in self._earlier.items():
            files_by_number[number] = published.file
        files_by_number[self._number] = file
        media = tuple(files_by_number[number] for number in sorted(files_by_number))
        is_whole = len(media) == len(self._job.delivery.urls)
        if is_whole:
            return self._job.stored(now, media)
        return replace(self._job, media=media)

    def _publish(self, path: Path, file: MediaFile, sidecar: bytes) -> None:
        """The sidecar goes first (objects before records, I10): any object can be recovered."""
        file_name = views.file_name(self._job, self._number, file.key)
        seconds = STORAGE_SECONDS + file.bytes / STORAGE_BYTES_PER_SECOND
        with self._claim.silence(seconds):
            self._services.storage.publish(path, file.key, file_name, sidecar)
