"""Rescue: download a job's media and store them before their URLs expire."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs import ingest, sidecars, views
from jobs.domain.errors import (
    BflUnavailable,
    ClaimLost,
    ErrorCode,
    MediaRefused,
    NotMedia,
    StorageError,
    StoreUnavailable,
    TransferFailed,
    UnknownHost,
    UnknownJob,
    UrlExpired,
)
from jobs.domain.job import Job
from jobs.domain.record import MediaFile
from jobs.domain.report import Role
from jobs.domain.status import ReportKind, Status
from jobs.domain.timeline import EventCode
from jobs.net.urls import ParsedUrl
from jobs.services import Services
from jobs.storage.layout import file_number_of, object_key, sidecar_key
from jobs.store.commit import NO_COUNTS
from jobs.store.metrics import LIFE_LEFT, TIME_TO_STORED
from worker import download, poll, recovery
from worker.backoff import backoff_seconds
from worker.claim import HeldClaim
from worker.rescued_files import FileError, RescuedFiles, RescueOutcome, describe_file, is_final

QUICK_ATTEMPTS = 3  # of one file, under one claim
QUICK_BACKOFF_SECONDS = 0.4
BACKOFF_MIN_SECONDS = 2.0
BACKOFF_MAX_SECONDS = 30.0
# A URL that looks expired is tried all the same: the clock of this machine may be wrong.
LEAST_SECONDS = 20.0
# A storage reports no progress: the time it may take grows with the size of a file.
STORAGE_SECONDS = 60.0
STORAGE_BYTES_PER_SECOND = 250_000

log = logging.getLogger(__name__)


def rescue(services: Services, claim: HeldClaim) -> None:
    """Store every file of a job, or record why not.

    Raises ClaimLost, StoreUnavailable, and UnknownJob for a deleted one.
    """
    try:
        Rescue(services, claim).run()
    except (ClaimLost, UnknownJob):
        recovery.delete_superseded(services, claim.job)
        raise
    job = claim.job
    if job.status.terminal and (job.status is not Status.STORED or job.claim.rescue_attempts > 1):
        recovery.delete_superseded(services, job)


class Rescue:
    """One attempt at one job: download, verify and publish its files, then commit."""

    def __init__(self, services: Services, claim: HeldClaim) -> None:
        self._services = services
        self._claim = claim
        self._files = RescuedFiles()
        self._sidecars: dict[str, bytes] = {}
        self._stored_at: float | None = None
        self._outcome: RescueOutcome | None = None

    def run(self) -> None:
        """Rescue all files and commit the outcome; a failing storage is a reason to try again."""
        job = self._claim.job
        try:
            if job.status is Status.READY and not job.claim.is_last:
                self._run()
            else:
                self._recover()
        except StorageError as error:
            self._services.metrics.report_problem("storage", str(error))
            self._back_off(f"storage: {error}")

    def _recover(self) -> None:
        """Store what earlier claims published (I22); else end the job, or poll BFL if replayed."""
        services, claim = self._services, self._claim
        claim.allow_silence(STORAGE_SECONDS)
        if claim.job.status is Status.READY:
            self._give_up(Job.give_up)
        elif stored := recovery.find_stored(services.storage, claim.job):
            files = {file_number_of(file.key): file for file in stored.present_media}
            self._commit_recovered(RescuedFiles(files), stored.result)
        elif claim.job.claim.is_last:
            claim.commit(Job.give_up)
        else:
            poll.poll_job(services, claim)

    def _run(self) -> None:
        try:
            self.rescue_files()
        except UrlExpired as error:
            self._refresh_urls(str(error))
        except (UnknownHost, TransferFailed) as error:
            self._retry(str(error))
        except MediaRefused as error:
            code, message = error.code, str(error)
            self._give_up(lambda job, now: job.refused(now, code, message))
        else:
            self._commit_stored(self._counts())

    # The files.

    def rescue_files(self) -> None:
        """Publish every file that is not in the storage yet, and record nothing.

        Every file is tried before one failure counts: all their URLs expire.
        """
        job = self._claim.job
        if job.claim.rescue_attempts > 1:
            self._claim.allow_silence(STORAGE_SECONDS)
            self._files.published = recovery.find_files(self._services.storage, job)
        failures: dict[int, FileError] = {}
        for n in range(len(job.delivery.urls)):
            if n not in self._files.published:
                try:
                    self._rescue_file(n, job.role(n))
                except (TransferFailed, MediaRefused, UrlExpired) as error:
                    failures[n] = error
        self._leave_out(failures)

    def _leave_out(self, failures: Mapping[int, FileError]) -> None:
        """Leave out the files that will never come. Raises an error that may pass, if any."""
        final = {n: e for n, e in failures.items() if is_final(e, self._claim.job.role(n))}
        passing = [error for n, error in failures.items() if n not in final]
        if passing:  # fresh URLs are requested once, so after all else was fetched
            raise min(passing, key=lambda error: isinstance(error, UrlExpired))
        if final and not self._is_worth_storing(self._files.published):
            raise next(iter(final.values()))
        self._files.left_out = {n: error.code for n, error in final.items()}

    def _is_worth_storing(self, files: Collection[int]) -> bool:
        """Whether a sample or bundle is among the files, or the result has neither."""
        job = self._claim.job
        known = {n for n in range(len(job.delivery.urls)) if job.role(n) is not Role.OTHER}
        return not known.isdisjoint(files) if known else bool(files)

    def _rescue_file(self, n: int, role: Role) -> None:
        address = self._services.host_policy.validate_delivery_url(self._claim.job.delivery.urls[n])
        for attempt in range(QUICK_ATTEMPTS):
            try:
                self._download_and_publish(n, role, address)
            except (TransferFailed, NotMedia) as error:
                log.info("job %s: %s", self._claim.job.id, error)
                if attempt == QUICK_ATTEMPTS - 1 or self._seconds_left() <= 0:
                    raise
                time.sleep(backoff_seconds(attempt, QUICK_BACKOFF_SECONDS, BACKOFF_MAX_SECONDS))
            else:
                return

    def _download_and_publish(self, n: int, role: Role, address: ParsedUrl) -> None:
        """Publish a verified file at once, whether or not Redis answers."""
        job, seconds = self._claim.job, self._seconds_left()
        if self._claim.is_lost:
            raise ClaimLost
        if seconds <= 0:
            raise TransferFailed("there is no time left")
        with self._services.storage.staging(job.id) as path:
            session = download.session(self._services.host_policy.sandbox)
            limits = download.Limits(seconds, self._services.settings.max_media_bytes)
            allow = self._services.host_policy.validate_delivery_url
            progress = self._claim.report_progress
            progress()
            downloaded = download.download(
                session, address, path, limits, role, allow=allow, progress=progress
            )
            key = object_key(
                job.id, job.created_at, n, job.claim.fencing_token, downloaded.content_type
            )
            self._publish(n, path, describe_file(key, path, downloaded, role))

    def _publish(self, n: int, path: Path, file: MediaFile) -> None:
        """Publish a verified object (I10) after its sidecar, so that any object can be restored."""
        job, media = self._claim.job, self._services.storage
        self._claim.allow_silence(STORAGE_SECONDS + file.bytes / STORAGE_BYTES_PER_SECOND)
        self._files.published[n] = file
        try:
            self._write_sidecar(file.key, self._sidecar(job), durable=False)
            media.publish(path, file.key, views.file_name(job, n, file.key))
        except BaseException:  # of any kind: only a published file may be committed
            del self._files.published[n]
            raise

    def _sidecar(self, job: Job) -> bytes:
        """The sidecar of the job: of the stored job, as soon as no file is missing."""
        done = self._files.published.keys() | self._files.left_out.keys()
        if len(done) < len(job.delivery.urls):
            return sidecars.render(replace(job, media=self._files.media))
        return self._outcome_of(job).sidecar

    def _outcome_of(self, job: Job) -> RescueOutcome:
        """The stored job and its sidecar, made once for each state of the record."""
        if self._outcome is None or self._outcome.before is not job:
            self._stored_at = self._stored_at or self._services.store.now()
            after = self._files.store(job, self._stored_at)
            self._outcome = RescueOutcome(job, after, sidecars.render(after))
        return self._outcome

    def _write_sidecar(self, key: str, body: bytes, *, durable: bool = True) -> None:
        self._services.storage.write(sidecar_key(key), body, durable=durable)
        self._sidecars[key] = body

    def _seconds_left(self) -> float:
        job, now = self._claim.job, self._services.store.now()
        until = max(job.delivery.expire_at or 0.0, now + LEAST_SECONDS)
        return min(until, job.deadline) - now

    # The outcome.

    def _commit_stored(self, counts: Mapping[str, int]) -> None:
        """Commit the files; every object has its final sidecar before the record names it (I10)."""
        services, claim = self._services, self._claim
        body = self._outcome_of(claim.job).sidecar
        stale = [file.key for file in self._files.media if self._sidecars.get(file.key) != body]
        if stale:
            claim.commit(Job.leased)  # another worker may be storing the same files by now
            body = self._outcome_of(claim.job).sidecar
        for key in stale:
            self._write_sidecar(key, body)
        claim.commit(lambda job, _now: self._outcome_of(job).after, counts)
        log.info("job %s: stored", claim.job.id)
        if self._outcome and self._outcome.sidecar != body:  # its metadata changed meanwhile
            with suppress(StoreUnavailable, StorageError):
                sidecars.update(services.store, services.storage, claim.job.id)

    def _counts(self) -> dict[str, int]:
        job, now = self._claim.job, self._services.store.now()
        life, took = (job.delivery.expire_at or now) - now, now - (job.delivery.ready_at or now)
        return {**LIFE_LEFT.observed(life), **TIME_TO_STORED.observed(took)}

    def _retry(self, reason: str) -> None:
        """Try again while the URLs live (I21); then ask BFL for fresh ones."""
        if self._services.store.now() < (self._claim.job.delivery.expire_at or 0.0):
            self._back_off(reason)
        else:
            self._refresh_urls(reason)

    def _refresh_urls(self, reason: str) -> None:
        """Ask BFL once for fresh URLs; without them the job expires."""
        job, services = self._claim.job, self._services
        self._claim.allow_silence(poll.ALL_HOSTS_SECONDS)
        try:
            report = None if job.delivery.refreshed else poll.fetch_report(services, job)
        except BflUnavailable as error:
            self._back_off(f"{reason}; {error}", error.retry_after)
            return
        if report and report.kind is ReportKind.READY and report.urls != job.delivery.urls:
            after = ingest.apply_report(services.store, report, services.settings.timeouts, job.id)
            if after.delivery.urls != job.delivery.urls:
                return
        self._give_up(lambda job, now: job.expired(now, f"{reason}, and BFL gave no fresh URL"))

    def _give_up(self, step: Callable[[Job, float], Job]) -> None:
        """Commit the end of the job, unless samples or bundles are in the storage already."""
        job = self._claim.job
        self._claim.allow_silence(STORAGE_SECONDS)
        found = recovery.find_files(self._services.storage, job)
        if not self._is_worth_storing(found):
            self._claim.commit(step)
            return
        missing = set(range(len(job.delivery.urls))) - found.keys()
        left_out = {n: self._files.left_out.get(n, ErrorCode.UNAVAILABLE) for n in sorted(missing)}
        self._commit_recovered(RescuedFiles(found, left_out), job.result)

    def _commit_recovered(self, files: RescuedFiles, result: Mapping[str, Any]) -> None:
        def recover(job: Job, now: float) -> Job:
            job = job.evolve(result=result).leased(now)
            return job.with_event(now, EventCode.RESCUE_RECOVERED)

        self._files = files
        self._claim.commit(recover)
        self._commit_stored(NO_COUNTS)

    def _back_off(self, reason: str, retry_after: float | None = None) -> None:
        def back_off(job: Job, now: float) -> Job:
            seconds = backoff_seconds(
                job.polling.attempts, BACKOFF_MIN_SECONDS, BACKOFF_MAX_SECONDS
            )
            with_event = job.with_event(now, EventCode.RESCUE_RETRIED, reason=reason)
            return with_event.back_off(now, max(seconds, retry_after or 0.0))

        log.info("job %s: rescue put off: %s", self._claim.job.id, reason)
        self._claim.commit(back_off)
