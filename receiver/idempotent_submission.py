"""Idempotent submission: a repeated `Idempotency-Key` returns the job of the first request."""

from collections.abc import Mapping
from dataclasses import replace

from flask import Response, after_this_request, request

from jobs.domain import errors
from jobs.domain.job import Job
from jobs.domain.job_record import Submission
from jobs.services import Services
from receiver import new_submission
from receiver.auth import request_key
from receiver.idempotency_key import IdempotencyKey, job_ids, require_header
from receiver.schemas.submission import SubmissionBody

IDEMPOTENCY_SECONDS = 86400.0
TRIES_MAX = 3
DIGEST_CHARS = 32  # of the 64 of a SHA-256 in hex: enough to tell two requests apart


def enqueue_request(
    services: Services,
    body: SubmissionBody,
    details: Submission,
    digest: str,
    repeats: str | None = None,
) -> Job:
    """Queue the job of this request, unless its `Idempotency-Key` already made one.

    `digest` is the SHA-256 of the request, in hex; `repeats` is the id of the job that it repeats.
    """
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return new_submission.enqueue(services, body, details, repeats)
    idempotency_key = IdempotencyKey(request_key(), header)
    return enqueue_once(services, body, details, idempotency_key, digest, repeats)


def enqueue_once(
    services: Services,
    body: SubmissionBody,
    details: Submission,
    idempotency_key: IdempotencyKey,
    digest: str,
    repeats: str | None,
) -> Job:
    """Return the job of this idempotency key, or create one.

    Raises InvalidField, IdempotencyKeyReused, and the errors of `new_submission.record`.
    """
    require_header(idempotency_key.header)
    details = replace(details, request_digest=digest[:DIGEST_CHARS])
    job, is_new = _find_or_record(services, body, details, idempotency_key, repeats)
    if job.submission.request_digest != details.request_digest:
        raise errors.IdempotencyKeyReused
    if not is_new:
        after_this_request(_mark_replay)
    return job


def _find_or_record(
    services: Services,
    body: SubmissionBody,
    details: Submission,
    idempotency_key: IdempotencyKey,
    repeats: str | None,
) -> tuple[Job, bool]:
    """The job of this idempotency key, and whether this request made it."""
    for _ in range(TRIES_MAX):
        ids = job_ids(services, idempotency_key)
        jobs = services.catalog.load_many(ids, or_new=True)
        recent_job = _recent_job(services, jobs)
        if recent_job:
            return recent_job, False
        new_id = ids[0]
        # Another day's request of this idempotency key may come at the same time.
        rivals = tuple(job_id for job_id in ids[1:] if job_id not in jobs)
        try:
            change = new_submission.record(services, body, details, repeats, new_id, rivals)
        except errors.UnknownJob:  # one of the rivals came first
            continue
        except errors.Evicted:  # and a moment ago the archive did not have it
            raise errors.ArchiveUnavailable("the archive lacks a job that it had") from None
        return change.after, change.written
    raise errors.StoreUnavailable("a job of this Idempotency-Key comes and goes")


def _recent_job(services: Services, jobs: Mapping[str, Job | None]) -> Job | None:
    """The first of the jobs that was created within a day, once its record is durable."""
    created_after = services.store.now() - IDEMPOTENCY_SECONDS
    for job in jobs.values():
        if job and job.created_at > created_after:
            # A step that changes nothing waits until the record is durable.
            return services.store.update(job.id, _unchanged).after or job
    return None


def _unchanged(job: Job | None, _now: float) -> Job | None:
    return job


def _mark_replay(response: Response) -> Response:
    """Tell the caller that this request made no job: a request before it did."""
    response.headers["Idempotency-Replayed"] = "true"
    return response
