"""What a callback brings: its origin proven, its report put on record, and the answer to it."""

import logging
from contextlib import suppress
from typing import Any

from jobs import bfl, intake
from jobs.errors import (
    BadLink,
    BadReport,
    BadRequest,
    StoreUnavailable,
    Unauthorized,
    UnknownJob,
    WrongState,
)
from jobs.refusals import Refusals
from jobs.report import Report
from jobs.services import Services
from jobs.signing import CallbackVerifier
from jobs.store import Store
from receiver import body

BODY_MAX_BYTES = 64 * 1024
_HEADERS = tuple("HTTP_" + name.upper().replace("-", "_") for name in bfl.AUTHENTICATION_HEADERS)
_NOBODY = CallbackVerifier(())

log = logging.getLogger(__name__)


class Hearing:
    """Takes in callbacks, each a WSGI environment, and knows nothing of Flask."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._anyone = CallbackVerifier(services.settings.webhook_secret)

    def of(self, environ: dict[str, Any], token: str) -> dict[str, str]:
        """The answer, once the report is on record, whatever it says: asking again is pointless.

        An empty token is for jobs that their callers submitted to BFL; any other names a job of
        ours, which has a secret of its own. Raises FluxkeepError.
        """
        verifier, job_id = self._expected(token)
        raw = _whole_body(self._services.store, environ)
        secret, signature = environ.get(_HEADERS[0]), environ.get(_HEADERS[1])
        if refusal := verifier.refusal(secret, signature, raw):
            log.info("a callback was refused: %s", refusal)
            _note(self._services.refusals, job_id or _claimed_id(raw), refusal)
            raise Unauthorized
        return self._recorded(_read(self._services.store, raw), job_id)

    def _expected(self, token: str) -> tuple[CallbackVerifier, str | None]:
        if not token:
            return self._anyone, None
        tokens = self._services.tokens
        try:
            job_id = tokens.read(token)
        except BadLink:
            return _NOBODY, None
        return tokens.verifier(job_id), job_id

    def _recorded(self, report: Report, job_id: str | None) -> dict[str, str]:
        services = self._services
        try:
            job = intake.accept(services.store, report, services.settings.patience, job_id)
        except UnknownJob:
            return {"id": job_id or report.task_id, "status": "forgotten"}
        except WrongState:
            _note(services.refusals, job_id, "names the task of another job")
            raise Unauthorized from None
        log.debug("job %s: callback heard, %s", job.id, job.state)
        return {"id": job.id, "status": job.state}


def _whole_body(store: Store, environ: dict[str, Any]) -> bytes:
    try:
        return body.received(environ, BODY_MAX_BYTES)
    except BadRequest:
        with suppress(StoreUnavailable):
            store.count({"callback_unreadable": 1})
        raise


def _read(store: Store, raw: bytes) -> Report:
    try:
        return bfl.parse_callback(raw)
    except BadReport:
        with suppress(StoreUnavailable):
            store.count({"callback_malformed": 1})
        raise


def _note(refusals: Refusals, job_id: str | None, reason: str) -> None:
    """Beside the record of a job we know, never in it: an unproven body changes nothing."""
    with suppress(StoreUnavailable):
        refusals.note(job_id, reason)


def _claimed_id(raw: bytes) -> str | None:
    try:
        return bfl.parse_callback(raw).task_id
    except BadReport:
        return None
