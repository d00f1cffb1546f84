"""Rescue: download a job's media and store them before their URLs expire."""

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from jobs import ingest, sidecars
from jobs.domain import errors
from jobs.domain.bfl_report import ErrorCode, Role
from jobs.domain.job import Job
from jobs.domain.job_record import MediaFile
from jobs.domain.retry_policy import RetryPolicy
from jobs.domain.status import ReportKind, Status
from jobs.domain.timeline import EventCode
from jobs.services import Services
from jobs.storage.layout import file_number_of, sidecar_key
from jobs.store.commit import NO_COUNTS
from jobs.store.metrics import LIFE_LEFT, TIME_TO_STORED
from worker import poll, published_objects
from worker.claim import ClaimLost, HeldClaim
from worker.file_rescue import STORAGE_SECONDS, Published, rescue_file

RETRIES = RetryPolicy(first_seconds=2.0, longest_seconds=30.0)
# A URL that is refused before its time: a replica may lag, or a cache hold an old answer.
REFUSED_ATTEMPTS_BETWEEN_ASKING_BFL = 5
FIRST_ATTEMPT_THAT_ASKS_BFL = 2
OTHER_FILE_ATTEMPTS = 3  # then a refused file that BFL gives no fresh URL of is left out

FileError = errors.TransferFailed | errors.MediaRefused | errors.UrlExpired
Step = Callable[[Job, float], Job]

log = logging.getLogger(__name__)


class RescuedFiles(NamedTuple):
    """The files of a job by their numbers: published, or left out with an error code."""

    published: Mapping[int, Published]
    left_out: Mapping[int, ErrorCode]


def rescue(services: Services, claim: HeldClaim) -> None:
    """Store every file of a job, or record why not; then delete superseded objects.

    Raises ClaimLost, StoreUnavailable, and UnknownJob for a deleted one.
    """
    services.task_hosts.learn_from_delivery(claim.job.delivery.urls)
    try:
        rescue_and_commit(services, claim)
    except (ClaimLost, errors.UnknownJob):
        published_objects.delete_superseded(services, claim.job)
        raise
    job = claim.job
    was_stored_by_first_claim = job.status is Status.STORED and job.lease.rescue_attempts <= 1
    if job.status.terminal and not was_stored_by_first_claim:
        published_objects.delete_superseded(services, job)


def rescue_and_commit(services: Services, claim: HeldClaim) -> None:
    """Rescue all files and commit the outcome; a failing storage is a reason to try again."""
    try:
        if claim.job.status is Status.READY and not claim.job.lease.is_last:
            _rescue_or_explain(services, claim)
        else:
            _look_once_more(services, claim)
    except errors.StorageError as error:
        services.health_probes.report_problem("storage", str(error))
        _back_off(claim, f"storage: {error}")


def _rescue_or_explain(services: Services, claim: HeldClaim) -> None:
    try:
        files = rescue_files(services, claim)
    except errors.UrlExpired as error:
        _retry_refused_url(services, claim, str(error))
    except (errors.UnknownHost, errors.TransferFailed) as error:
        if not _back_off(claim, str(error), until=claim.job.delivery.expire_at or 0.0):
            _refresh_urls(services, claim, str(error))
    except errors.MediaRefused as error:
        _give_up(services, claim, partial(Job.refused, code=error.code, message=str(error)))
    else:
        counts = _observed_times(claim.job, services.store.now())
        store_files(services, claim, files, counts)


def _observed_times(job: Job, now: float) -> dict[str, int]:
    """Counts of the histograms: the life that the URLs had left, and the time that it took."""
    delivery = job.delivery
    counts = dict[str, int]()
    life_left_seconds = (delivery.expire_at or now) - now
    counts.update(LIFE_LEFT.observed(life_left_seconds))
    seconds_to_stored = now - (delivery.ready_at or now)
    counts.update(TIME_TO_STORED.observed(seconds_to_stored))
    return counts


def rescue_files(services: Services, claim: HeldClaim) -> RescuedFiles:
    """Publish every file that is not in the storage yet, and record nothing.

    Every file is tried before one failure counts: all their URLs expire. Files that will never
    come are left out. Raises the error of a file that may come later, or of the last hope.
    """
    job = claim.job
    published = dict[int, Published]()
    if job.lease.rescue_attempts > 1:
        published = _find_published(services, claim)
    final_errors = dict[int, FileError]()
    passing_errors = list[FileError]()
    for number in range(len(job.delivery.urls)):
        if number in published:
            continue
        try:
            published[number] = rescue_file(services, claim, number, published)
        except (errors.TransferFailed, errors.MediaRefused, errors.UrlExpired) as error:
            if _is_final(services, job, number, error):
                final_errors[number] = error
            else:
                passing_errors.append(error)
    if passing_errors:
        raise _error_to_handle_first(passing_errors)
    if final_errors and not _is_worth_storing(job, published):
        first_number = min(final_errors)
        raise final_errors[first_number]
    left_out = {number: error.code for number, error in final_errors.items()}
    return RescuedFiles(published, left_out)


def _error_to_handle_first(passing_errors: Sequence[FileError]) -> FileError:
    """An expired URL comes last: fresh URLs are requested once, so after all else was fetched."""
    for error in passing_errors:
        if not isinstance(error, errors.UrlExpired):
            return error
    return passing_errors[0]


def _is_final(services: Services, job: Job, number: int, error: FileError) -> bool:
    """Whether a file will never come."""
    # A fresh URL of a file of another role is not requested.
    is_other = job.delivery.roles[number] is Role.OTHER
    if isinstance(error, errors.UrlExpired):
        may_pass = _is_alive(services, job) and job.polling.attempts < OTHER_FILE_ATTEMPTS
        return is_other and not may_pass
    if isinstance(error, errors.UnknownHost):
        return is_other
    return isinstance(error, errors.MediaRefused)


def _is_alive(services: Services, job: Job) -> bool:
    """Whether the URLs of a job have not reached their own expiry."""
    return services.store.now() < (job.delivery.expire_at or 0.0)


def _find_published(services: Services, claim: HeldClaim) -> dict[int, Published]:
    """The files that earlier claims published, by their numbers."""
    with claim.silence(STORAGE_SECONDS):
        files = published_objects.find_files(services.storage, claim.job)
    return {number: Published(file) for number, file in files.items()}


def _is_worth_storing(job: Job, numbers: Collection[int]) -> bool:
    """Whether a sample or bundle is among the numbered files, or the result has neither."""
    main_numbers = set[int]()
    for number, _url in enumerate(job.delivery.urls):
        if job.delivery.roles[number] is not Role.OTHER:
            main_numbers.add(number)
    if not main_numbers:
        return bool(numbers)
    return not main_numbers.isdisjoint(numbers)


def store_files(
    services: Services, claim: HeldClaim, files: RescuedFiles, counts: Mapping[str, int] = NO_COUNTS
) -> None:
    """Commit the files; every object has its final sidecar before the record names it (I10)."""
    stored_at = max(published.at for published in files.published.values())
    if stored_at == 0.0:  # earlier claims published all
        stored_at = services.store.now()
    sidecar = sidecars.render(_stored(claim.job, stored_at, files))
    keys_with_old_sidecar = list[str]()
    for published in files.published.values():
        if published.sidecar != sidecar:
            keys_with_old_sidecar.append(published.file.key)
    if keys_with_old_sidecar:
        claim.commit(Job.leased)  # another worker may be storing the same files by now
    for key in keys_with_old_sidecar:
        with claim.silence(STORAGE_SECONDS):
            services.storage.write(sidecar_key(key), sidecar)
    claim.commit(lambda job, _now: _stored(job, stored_at, files), counts)
    log.info("job %s: stored", claim.job.id)
    if sidecars.render(claim.job) != sidecar:  # its metadata changed meanwhile
        with suppress(errors.StoreUnavailable, errors.StorageError):
            sidecars.update(services.store, services.storage, claim.job.id)


def _stored(job: Job, stored_at: float, files: RescuedFiles) -> Job:
    roles = job.delivery.roles
    media = list[MediaFile]()
    for number, code in files.left_out.items():
        job = job.with_event(
            stored_at,
            EventCode.RESCUE_FILE_SKIPPED,
            file=number,
            role=roles[number],
            reason=code,
        )
    for number in sorted(files.published):
        published = files.published[number]
        media.append(published.file)
        if published.doubt:
            job = job.with_event(
                stored_at,
                EventCode.RESCUE_FILE_DOUBTED,
                file=number,
                role=roles[number],
                reason=published.doubt,
            )
    return job.stored(stored_at, tuple(media), tuple(files.left_out))


def _retry_refused_url(services: Services, claim: HeldClaim, reason: str) -> None:
    """Retry a refused URL until its own expiry, and ask BFL for a fresh one now and then.

    BFL is asked early, too: it may have signed the URL anew, and forgets the task later.
    """
    job = claim.job
    attempts_since_first = job.polling.attempts - FIRST_ATTEMPT_THAT_ASKS_BFL
    is_time_to_ask = attempts_since_first % REFUSED_ATTEMPTS_BETWEEN_ASKING_BFL == 0
    if _is_alive(services, job) and attempts_since_first >= 0 and is_time_to_ask:
        with suppress(errors.BflUnavailable):
            if _has_fresh_urls(services, claim):
                return
    if not _back_off(claim, reason, until=job.delivery.expire_at or 0.0):
        _refresh_urls(services, claim, reason)


def _refresh_urls(services: Services, claim: HeldClaim, reason: str) -> None:
    """Ask BFL once for fresh URLs after the expiry; without them the job expires."""
    try:
        if _has_fresh_urls(services, claim):
            return
    except errors.BflUnavailable as error:
        _back_off(claim, f"{reason}; {error}", error.retry_after or 0.0)
        return
    _give_up(services, claim, partial(Job.expired, why=f"{reason}, and BFL gave no fresh URL"))


def _has_fresh_urls(services: Services, claim: HeldClaim) -> bool:
    """Ask BFL for fresh URLs of the task, unless it gave some before. Raises BflUnavailable.

    Fresh URLs are on record afterwards, and the job waits for a worker.
    """
    job = claim.job
    if job.delivery.refreshed:
        return False
    with claim.silence(poll.ALL_HOSTS_SECONDS):
        report = poll.fetch_report(services, job)
    if report is None or report.kind is not ReportKind.READY or report.urls == job.delivery.urls:
        return False
    after = ingest.apply_report(services.store, report, services.settings.timeouts, job.id)
    return after.delivery.urls != job.delivery.urls


def _look_once_more(services: Services, claim: HeldClaim) -> None:
    """Store what earlier claims published (I22); else end the job, or poll BFL if replayed."""
    job = claim.job
    if job.status is Status.READY:
        _give_up(services, claim, Job.give_up)
        return
    with claim.silence(STORAGE_SECONDS):
        stored = published_objects.find_stored(services.storage, job)
    if stored:
        files = {file_number_of(file.key): Published(file) for file in stored.present_media}
        claim.commit(partial(_recovered, result=stored.result))
        store_files(services, claim, RescuedFiles(files, {}))
    elif job.lease.is_last:
        claim.commit(Job.give_up)
    else:
        poll.poll_job(services, claim)


def _give_up(services: Services, claim: HeldClaim, end: Step) -> None:
    """Commit the end of the job, unless samples or bundles are in the storage already."""
    job = claim.job
    published = _find_published(services, claim)
    if not _is_worth_storing(job, published):
        claim.commit(end)
        return
    left_out = dict[int, ErrorCode]()
    for number, _url in enumerate(job.delivery.urls):
        if number not in published:
            left_out[number] = ErrorCode.UNAVAILABLE
    claim.commit(partial(_recovered, result=job.result))
    store_files(services, claim, RescuedFiles(published, left_out))


def _recovered(job: Job, now: float, result: Mapping[str, Any]) -> Job:
    leased = job.evolve(result=result).leased(now)
    return leased.with_event(now, EventCode.RESCUE_RECOVERED)


def _back_off(
    claim: HeldClaim, reason: str, retry_after: float = 0.0, until: float = math.inf
) -> bool:
    """Try again later, while the URLs live (I21: rescues go first). False if that time is over.

    Our clock may be wrong, that of the commit is not.
    """
    is_over = False
    jitter_factor = RETRIES.draw_jitter_factor()

    def back_off(job: Job, now: float) -> Job:
        nonlocal is_over
        next_attempt_at = RETRIES.next_attempt_at(
            now,
            job.polling.attempts,
            until=until,
            jitter_factor=jitter_factor,
            retry_after=retry_after,
        )
        is_over = next_attempt_at is None
        if next_attempt_at is None:
            return job.leased(now)
        retried = job.with_event(now, EventCode.RESCUE_RETRIED, reason=reason)
        return retried.back_off(now, next_attempt_at - now)

    claim.commit(back_off)
    if not is_over:
        log.info("job %s: rescue put off: %s", claim.job.id, reason)
    return not is_over
