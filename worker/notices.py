"""Calls the webhooks of those who submitted through us, beside the rescues and never in their way.

It runs in threads of the sweep process: a receiver that is slow or dead costs no worker its turn.
"""

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from jobs import bfl_answers, notice, web
from jobs.bfl import AUTHENTICATION_HEADERS
from jobs.caller import Caller
from jobs.errors import BrokenRecord, RefusedUrl, StoreUnavailable, TransferFailed
from jobs.job import Job
from jobs.services import Services
from jobs.signing import callback_digest

LOOK_EVERY_SECONDS = 0.5
ANSWER_SECONDS = 20.0
SENDERS = 8

log = logging.getLogger(__name__)


def start(services: Services, stop: threading.Event) -> threading.Thread:
    """Call webhooks until told to stop."""
    thread = threading.Thread(target=_run, args=(services, stop), name="notices", daemon=True)
    thread.start()
    return thread


def _run(services: Services, stop: threading.Event) -> None:
    with ThreadPoolExecutor(SENDERS, "notice") as senders:
        while not stop.wait(LOOK_EVERY_SECONDS):
            try:
                for job_id in services.store.to_tell(SENDERS):
                    senders.submit(tell, services, job_id)
            except StoreUnavailable as error:
                log.warning("%s", error)


def tell(services: Services, job_id: str) -> None:
    """Take one notice, unless another sender was quicker, and put its outcome on record."""
    try:
        change = services.store.change(job_id, lambda job, now: job and notice.telling(job, now))
        job = change.after
        if change.written and job and job.caller:
            _send(services, job, job.caller)
        elif not change.written:
            services.store.settle_notice(job_id, job.tell_at if job else None)
    except BrokenRecord:
        services.store.settle_notice(job_id, None)
    except StoreUnavailable as error:
        log.warning("job %s: %s; its webhook is called again", job_id, error)


def _send(services: Services, job: Job, caller: Caller) -> None:
    try:
        status = _call(services, job, caller)
        problem = "" if status // 100 == 2 else f"it answered {status}"
    except (TransferFailed, RefusedUrl) as error:
        problem = str(error)

    def step(job: Job | None, now: float) -> Job | None:
        if job is None:
            return None
        return notice.not_told(job, now, problem) if problem else notice.told(job, now)

    log.info("job %s: webhook %s", job.id, problem or "called")
    services.store.change(job.id, step)


def _call(services: Services, job: Job, caller: Caller) -> int:
    """The status with which the webhook answered."""
    address = services.trust.caller(caller.url)
    body = json.dumps(bfl_answers.told(job, services.links_to(job)), ensure_ascii=False).encode()
    plain = address.origin if address.origin.scheme == "http" else None
    with (
        web.new_session(plain) as session,
        web.exchange(
            session, address, seconds=ANSWER_SECONDS, headers=_headers(caller, body), body=body
        ) as response,
    ):
        return int(response.status_code)


def _headers(caller: Caller, body: bytes) -> dict[str, str]:
    """With the secret in both of BFL's official forms, when there is one."""
    headers = {"Content-Type": "application/json"}
    if caller.secret is None:
        return headers
    digest = callback_digest(caller.secret.encode(), body).decode()
    return headers | dict(
        zip(AUTHENTICATION_HEADERS, (caller.secret, f"sha256={digest}"), strict=True)
    )
