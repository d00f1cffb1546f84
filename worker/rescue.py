"""Rescue: download a job's media and store them before their URLs expire."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import requests

from jobs import ingest, serializer, sidecars
from jobs.errors import (
    BflUnavailable,
    ClaimLost,
    MediaRefused,
    NotMedia,
    StorageError,
    StoreUnavailable,
    TransferFailed,
    UnknownHost,
    UnknownJob,
    UrlExpired,
)
from jobs.job import RESCUE_PUT_OFF, Job
from jobs.media_file import MediaFile, Role
from jobs.net import outbound
from jobs.net.urls import Address, Origin
from jobs.services import Services
from jobs.status import ReportKind, Status
from jobs.storage.base import object_key, sidecar_key
from jobs.store.counters import LIFE_LEFT, TIME_TO_STORED
from jobs.store.results import NO_COUNTS
from worker import download, poll, recovery
from worker.backoff import pause
from worker.claim import Claim
from worker.formats import measure

QUICK_TRIES = 3
QUICK_PAUSE_SECONDS = 0.4
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 30.0
# A URL that looks dead is tried all the same: our clock may be the one that is wrong.
LEAST_SECONDS = 20.0
# The storage shows no progress: it may take so long, and longer for what is large.
STORAGE_SECONDS = 60.0
STORAGE_BYTES_PER_SECOND = 250_000

log = logging.getLogger(__name__)


def rescue(services: Services, claim: Claim) -> None:
    """Store every file of a job, or record why not. Raises ClaimLost, StoreUnavailable."""
    try:
        Rescue(services, claim).run()
    except (ClaimLost, UnknownJob):
        recovery.delete_superseded(services, claim.job)
        raise
    job = claim.job
    if job.status.terminal and (job.status is not Status.STORED or job.rescue_attempts > 1):
        recovery.delete_superseded(services, job)


@dataclass
class Files:
    """The files of a job by their numbers: in the storage, or left out and why."""

    published: dict[int, MediaFile] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)

    @property
    def media(self) -> tuple[MediaFile, ...]:
        return tuple(self.published[n] for n in sorted(self.published))

    def stored(self, job: Job, now: float) -> Job:
        for n, code in self.left_out.items():
            job = job.with_event(now, "file left out", file=n, role=job.role(n), reason=code)
        return job.stored(now, self.media, tuple(self.left_out))


class Rescue:
    """One worker's attempt at one job."""

    def __init__(self, services: Services, claim: Claim) -> None:
        self._services = services
        self._claim = claim
        self._files = Files()
        self._sidecars: dict[str, bytes] = {}
        self._stored_at: float | None = None

    def run(self) -> None:
        try:
            self._run()
        except StorageError as error:
            self._services.metrics.report_problem("storage", str(error))
            self._back_off(f"storage: {error}")

    def _run(self) -> None:
        try:
            self.rescue_files()
        except UrlExpired as error:
            self._refresh_urls(str(error))
        except UnknownHost as error:
            self._try_later(str(error))
        except MediaRefused as error:
            code, message = error.code, str(error)
            self._give_up(lambda job, now: job.refused(now, code, message))
        except TransferFailed as error:
            self._try_later(str(error))
        else:
            self._commit_stored(self._counts())

    # The files.

    def rescue_files(self) -> None:
        """Publish every file that is not in the storage yet; nothing of it is on record."""
        job = self._claim.job
        if job.rescue_attempts > 1:
            self._claim.allow(STORAGE_SECONDS)
            self._files.published = recovery.find_files(self._services.media, job)
        for n in range(len(job.urls)):
            if n not in self._files.published:
                self._rescue_or_leave_out(n, job.role(n))

    def _rescue_or_leave_out(self, n: int, role: Role) -> None:
        """Only samples can fail a job: anything else that BFL adds must not cost them."""
        try:
            self._rescue_file(n, role)
        except (MediaRefused, UrlExpired) as error:
            is_needed = role is Role.SAMPLE or not self._files.published
            may_heal = isinstance(error, UrlExpired | UnknownHost) and role is not Role.OTHER
            if is_needed or may_heal:
                raise
            self._files.left_out[n] = error.code

    def _rescue_file(self, n: int, role: Role) -> None:
        address = self._services.trust.delivery(self._claim.job.urls[n])
        for attempt in range(QUICK_TRIES):
            try:
                self._download_and_publish(n, role, address)
            except (TransferFailed, NotMedia) as error:
                log.info("job %s: %s", self._claim.job.id, error)
                if attempt == QUICK_TRIES - 1 or self._seconds_left() <= 0:
                    raise
                time.sleep(pause(attempt, QUICK_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
            else:
                return

    def _download_and_publish(self, n: int, role: Role, address: Address) -> None:
        """Publish at once what was verified, whether or not Redis answers."""
        job, seconds = self._claim.job, self._seconds_left()
        if self._claim.lost:
            raise ClaimLost
        if seconds <= 0:
            raise TransferFailed("there is no time left")
        with self._services.media.staging(job.id) as path:
            session = _session(self._services.trust.sandbox)
            limits = download.Limits(seconds, self._services.settings.max_media_bytes)
            allow = self._services.trust.delivery
            self._claim.progress()
            got = download.download(
                session, address, path, limits, role, allow=allow, progress=self._claim.progress
            )
            key = object_key(job.id, job.created_at, n, job.fencing_token, got.content_type)
            self._publish(n, path, _kept(key, path, got, role))

    def _publish(self, n: int, path: Path, file: MediaFile) -> None:
        """Write the sidecar first: an object that is there can always be recovered."""
        job, media = self._claim.job, self._services.media
        self._claim.allow(STORAGE_SECONDS + file.bytes / STORAGE_BYTES_PER_SECOND)
        self._files.published[n] = file
        try:
            self._write_sidecar(file.key, self._describe(job))
            media.publish(path, file.key, serializer.file_name(job, n, file.key))
        except BaseException:
            del self._files.published[n]
            raise

    def _describe(self, job: Job) -> bytes:
        """The job's sidecar: as it will be stored, once no file is missing."""
        known = self._files.published.keys() | self._files.left_out.keys()
        if len(known) < len(job.urls):
            return serializer.sidecar(replace(job, media=self._files.media))
        self._stored_at = self._services.store.now()
        return serializer.sidecar(self._files.stored(job, self._stored_at))

    def _write_sidecar(self, key: str, body: bytes) -> None:
        self._services.media.write(sidecar_key(key), body)
        self._sidecars[key] = body

    def _seconds_left(self) -> float:
        job, now = self._claim.job, self._services.store.now()
        until = max(job.expire_at or 0.0, now + LEAST_SECONDS)
        return min(until, job.deadline) - now

    # How it ends.

    def _commit_stored(self, counts: Mapping[str, int]) -> None:
        """Every object has its sidecar before the record names it."""
        services, claim = self._services, self._claim
        now = self._stored_at or services.store.now()
        body = serializer.sidecar(self._files.stored(claim.job, now))
        stale = [file.key for file in self._files.media if self._sidecars.get(file.key) != body]
        if stale:
            claim.commit(Job.renewed)  # another worker may be storing the same files by now
            body = serializer.sidecar(self._files.stored(claim.job, now))
        for key in stale:
            self._write_sidecar(key, body)
        claim.commit(lambda job, _now: self._files.stored(job, now), counts)
        log.info("job %s: stored", claim.job.id)
        if body != serializer.sidecar(claim.job):  # the caller described the job meanwhile
            with suppress(StoreUnavailable, StorageError):
                sidecars.keep_true(services.store, services.media, claim.job.id)

    def _counts(self) -> dict[str, int]:
        job, now = self._claim.job, self._services.store.now()
        life, took = (job.expire_at or now) - now, now - (job.ready_at or now)
        return {**LIFE_LEFT.observed(life), **TIME_TO_STORED.observed(took)}

    def _try_later(self, why: str) -> None:
        """Try again while the URLs live; ask BFL for fresh ones when they do not."""
        if self._services.store.now() < (self._claim.job.expire_at or 0.0):
            self._back_off(why)
        else:
            self._refresh_urls(why)

    def _refresh_urls(self, why: str) -> None:
        """Ask BFL once for fresh URLs; without them the job expires."""
        job, services = self._claim.job, self._services
        self._claim.allow(poll.ROUND_SECONDS)
        try:
            report = None if job.refreshed else poll.inquire(services, job)
        except BflUnavailable as trouble:
            self._back_off(f"{why}; {trouble}", trouble.retry_after)
            return
        if report and report.news is ReportKind.READY and report.urls != job.urls:
            heard = ingest.apply_report(services.store, report, services.settings.timeouts, job.id)
            if heard.urls != job.urls:
                return
        self._give_up(lambda job, now: job.expired(now, f"{why}, and BFL gave no fresh URL"))

    def _give_up(self, step: Callable[[Job, float], Job]) -> None:
        """Commit this end, unless all samples are in the storage already."""
        job = self._claim.job
        self._claim.allow(STORAGE_SECONDS)
        found = recovery.find_files(self._services.media, job)
        samples = {n for n in range(len(job.urls)) if job.role(n) is Role.SAMPLE}
        if not found or not samples <= found.keys():
            self._claim.commit(step)
            return
        missing = set(range(len(job.urls))) - found.keys()
        left_out = {n: self._files.left_out.get(n, "unavailable") for n in sorted(missing)}
        self._files = Files(found, left_out)
        self._claim.commit(lambda job, now: job.with_event(now, "media recovered").renewed(now))
        self._commit_stored(NO_COUNTS)

    def _back_off(self, why: str, retry_after: float | None = None) -> None:
        """Try again later."""

        def back_off(job: Job, now: float) -> Job:
            seconds = pause(job.attempts, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
            with_event = job.with_event(now, RESCUE_PUT_OFF, reason=why)
            return with_event.back_off(now, max(seconds, retry_after or 0.0))

        log.info("job %s: rescue put off: %s", self._claim.job.id, why)
        self._claim.commit(back_off)


@cache
def _session(sandbox: Origin | None) -> requests.Session:
    """One for a process: the next picture comes over the connection of the last one."""
    return outbound.new_session(sandbox)


def _kept(key: str, path: Path, got: download.Download, role: Role) -> MediaFile:
    known = measure.known(path, got.content_type)
    return MediaFile(
        key=key,
        content_type=got.content_type,
        bytes=got.bytes,
        sha256=got.sha256,
        width=known.width,
        height=known.height,
        seconds=known.seconds,
        role=role,
    )
