"""BFL's webhook: verify a callback, apply its report, answer."""

import logging
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from flask import Blueprint, Flask, request
from pydantic_core import to_json

from jobs import ingest
from jobs.bfl import parsing
from jobs.domain import errors
from jobs.domain.bfl_report import Report
from jobs.net import content_coding
from jobs.services import Services
from jobs.signing import FORGED_BODY, CallbackVerifier, Scheme, is_signature
from jobs.store.callback_trials import is_trial
from jobs.store.held_callbacks import HeldCallback
from jobs.store.metrics import Counter, scheme_counter
from receiver import callback_observation, request_body
from receiver.context import current_services
from receiver.request_body import declared_length, too_large
from receiver.schemas.endpoint_spec import JSON, EndpointSpec
from receiver.schemas.responses import CallbackAccepted

PATH = "/webhooks/bfl"
_TOKEN_PREFIX = f"{PATH}/"
PATH_MAX_CHARS = 2000
_SLASHES = re.compile("/+")
BODY_MAX_BYTES = 2**20  # BFL echoes the prompt, which may be long
UNVERIFIED_BODY_MAX_BYTES = 64 * 1024  # read for its job id: the timeline shows refusals
HELD = "held"  # in place of the status of a job while the archive, which has it, is away
LARGE_BODIES_MAX = 16  # unverified bodies at once that are larger than UNVERIFIED_BODY_MAX_BYTES
LARGE_BODY_WAIT_SECONDS = 5.0

# Words in the name of a header that may hold the proof of a scheme that we do not know.
PROOF_WORDS = ("SIGN", "SECRET", "HMAC", "DIGEST", "TOKEN", "AUTH")
PROOF_NAMES_MAX = 5
_HEADER_NAME = re.compile(r"[a-z0-9-]{1,64}")
_REFUSE_ALL = CallbackVerifier(())
_SPEC = EndpointSpec(
    body=parsing.CALLBACK,
    responses={200: CallbackAccepted},
    errors=(errors.WrongSecret, errors.InvalidReport),
    security=("webhookSecret", "webhookSignature"),
)


def _wsgi_variable(header: str) -> str:
    """The name of a header in the environment of a WSGI request."""
    return "HTTP_" + header.upper().replace("-", "_")


_SECRET_HEADER, _SIGNATURE_HEADER = parsing.AUTHENTICATION_HEADERS
_SECRET_VARIABLE = _wsgi_variable(_SECRET_HEADER)
_SIGNATURE_VARIABLE = _wsgi_variable(_SIGNATURE_HEADER)

log = logging.getLogger(__name__)
blueprint = Blueprint("webhook", __name__)
_large_bodies = threading.BoundedSemaphore(LARGE_BODIES_MAX)


@blueprint.post(PATH)
@_SPEC
def receive_callback() -> CallbackAccepted:
    """Receive a callback. A caller submitted the job itself; `WEBHOOK_SECRET` authenticates it."""
    return accept_callback(current_services(), request.environ)


@blueprint.post(f"{_TOKEN_PREFIX}<token>")
@_SPEC
def receive_callback_for_submission(token: str) -> CallbackAccepted:
    """Receive a callback for a submission. The token names the job."""
    return accept_callback(current_services(), request.environ, token)


def accept_callback(
    services: Services, environ: Mapping[str, Any], token: str | None = None
) -> CallbackAccepted:
    """Record the report of an authentic callback before it is answered (I1).

    Raises WrongSecret, BadRequest and its subclasses, and TooManyWaiting or StoreUnavailable
    (503: BFL sends the callback again).
    """
    verifier = services.callback_verifier
    job_id = None
    if token is not None:
        try:
            job_id = services.tokens.read(token)
            verifier = services.tokens.verifier(job_id)
        except errors.InvalidLink:
            verifier = _REFUSE_ALL
    verified = _verify(services, environ, verifier, job_id)
    if is_trial(job_id):
        proofs = unknown_proofs(environ)
        callback_observation.observe(services, job_id, proofs, verified.scheme, verified.body)
    try:
        report = parsing.parse_callback(_decode(environ, verified.body))
    except errors.InvalidReport:
        _count(services, Counter.CALLBACK_MALFORMED)
        raise
    return _apply(services, report, job_id, verified)


def _decode(environ: Mapping[str, Any], verified_body: bytes) -> bytes:
    """Decode a compressed body. Its authentication is about the body as it was sent (I15)."""
    coding = environ.get("HTTP_CONTENT_ENCODING")
    if not coding:
        return verified_body
    return content_coding.decode_message(coding, verified_body, BODY_MAX_BYTES)


class VerifiedBody(NamedTuple):
    """The body of an authentic callback, and the scheme that authenticated it."""

    body: bytes
    scheme: Scheme


def _verify(
    services: Services, environ: Mapping[str, Any], verifier: CallbackVerifier, job_id: str | None
) -> VerifiedBody:
    """Return the verified body. A valid secret header is checked before the body is read."""
    secret = environ.get(_SECRET_VARIABLE)
    signature = environ.get(_SIGNATURE_VARIABLE)
    if verifier.knows_secret(secret):
        scheme = Scheme.SECRET
        if signature:
            scheme = Scheme.BOTH
        return VerifiedBody(_read(services, environ, BODY_MAX_BYTES), scheme)
    body = _read_unverified(services, environ, signature)
    refusal = verifier.refusal(secret, signature, body)
    if refusal is None:
        return VerifiedBody(body, Scheme.SIGNATURE)
    proofs = unknown_proofs(environ)
    if is_trial(job_id):
        callback_observation.observe(services, job_id, proofs, None, b"")
    if proofs:
        refusal += f"; it had the headers {', '.join(proofs)}"
    claimed_id = parsing.claimed_task_id(body[:UNVERIFIED_BODY_MAX_BYTES])
    _record_refusal(services, job_id or claimed_id, refusal)
    is_self_check = verifier.refusal(None, signature, FORGED_BODY) is None
    if is_self_check:
        refusal += ", a test by doctor"
    log.info("callback refused: %s", refusal)
    raise errors.WrongSecret


def _read_unverified(
    services: Services, environ: Mapping[str, Any], signature: str | None
) -> bytes:
    """The body of a callback without a valid secret; empty if it is long and has no signature."""
    if is_signature(signature):
        return _read_signed(services, environ)
    length = declared_length(environ)
    if length is not None and length > BODY_MAX_BYTES:
        raise too_large(BODY_MAX_BYTES)
    try:
        return _read(services, environ, UNVERIFIED_BODY_MAX_BYTES)
    except errors.BodyTooLarge:
        return b""


def unknown_proofs(environ: Mapping[str, Any]) -> list[str]:
    """Names of headers that look like a signature or a secret, and that we do not know.

    BFL's documents describe two schemes. Should it use a third one, its header is named where the
    refusal is shown; its value never is.
    """
    proofs = []
    for variable in environ:
        if not variable.startswith("HTTP_"):
            continue
        if variable in (_SECRET_VARIABLE, _SIGNATURE_VARIABLE):
            continue
        if any(word in variable for word in PROOF_WORDS):
            name = variable.removeprefix("HTTP_").lower().replace("_", "-")
            if _HEADER_NAME.fullmatch(name):
                proofs.append(name)
    return sorted(proofs)[:PROOF_NAMES_MAX]


def _read_signed(services: Services, environ: Mapping[str, Any]) -> bytes:
    """Read a body that has a signature, perhaps a wrong one: large bodies take turns."""
    length = declared_length(environ)
    if length is not None and length <= UNVERIFIED_BODY_MAX_BYTES:
        return _read(services, environ, BODY_MAX_BYTES)
    if not _large_bodies.acquire(timeout=LARGE_BODY_WAIT_SECONDS):
        raise errors.TooManyWaiting("Too many large callbacks come at once.")
    try:
        return _read(services, environ, BODY_MAX_BYTES)
    finally:
        _large_bodies.release()


def _read(services: Services, environ: Mapping[str, Any], max_bytes: int) -> bytes:
    try:
        return request_body.read(environ, max_bytes)
    except errors.BadRequest:
        _count(services, Counter.CALLBACK_UNREADABLE)
        raise


def _apply(
    services: Services, report: Report, job_id: str | None, verified: VerifiedBody
) -> CallbackAccepted:
    counts = {scheme_counter(verified.scheme): 1}
    timeouts = services.settings.timeouts
    find_archived = None
    if services.archive:
        find_archived = services.catalog.find_archived
    try:
        job = ingest.apply_report(services.store, report, timeouts, job_id, counts, find_archived)
    except errors.ArchiveUnavailable:
        # Not 503: BFL gives up after half a minute, and the database may be away for longer.
        services.held_callbacks.hold(HeldCallback(job_id, verified.body))
        return {"id": job_id or report.task_id, "status": HELD}
    except errors.UnknownJob:
        return {"id": job_id or report.task_id, "status": "deleted"}
    except errors.Evicted as error:
        return {"id": job_id or report.task_id, "status": error.status}
    except errors.ReportRefused as error:
        refused_id = job_id or error.job_id
        log.info("job %s: callback refused: %s", refused_id, error)
        _record_refusal(services, refused_id, str(error))
        raise errors.WrongSecret from None
    log.debug("job %s: callback accepted, %s", job.id, job.status)
    return {"id": job.id, "status": job.status.value}


def _record_refusal(services: Services, job_id: str | None, reason: str) -> None:
    """Record a refusal outside the job's record: an unverified body must not change that (I15)."""
    with suppress(errors.StoreUnavailable):
        services.refused_callbacks.record(job_id, reason)


def _count(services: Services, counter: Counter) -> None:
    with suppress(errors.StoreUnavailable):
        services.store.increment({counter: 1})


class CallbackPaths:
    """WSGI middleware that takes further slashes out of the address of a callback.

    A `PUBLIC_URL` that was written down with a slash at its end has two in the middle of it. BFL
    would get 404 for each callback, and nobody would see why.
    """

    def __init__(self, app: Flask) -> None:
        self._wsgi_app = app.wsgi_app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        has_further_slashes = path.endswith("/") or "//" in path
        if has_further_slashes and len(path) <= PATH_MAX_CHARS:
            plain_path = _SLASHES.sub("/", path).removesuffix("/")
            if plain_path == PATH or plain_path.startswith(_TOKEN_PREFIX):
                environ["PATH_INFO"] = plain_path
        return self._wsgi_app(environ, start_response)


class CallbackAccelerator:
    """WSGI middleware that accepts callbacks without Flask's routing (`CALLBACK_ACCELERATOR`).

    Callbacks come in bursts, and Flask's routing and responses take longer than the callback
    itself. Flask's handlers respond to errors.
    """

    def __init__(self, app: Flask, services: Services) -> None:
        self._app = app
        self._services = services
        self._wsgi_app = app.wsgi_app

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        token = None
        is_callback = path == PATH
        if path.startswith(_TOKEN_PREFIX):
            token = path.removeprefix(_TOKEN_PREFIX)
            is_callback = bool(token) and "/" not in token
        # Only requests that Flask certainly routes to the same views; Flask handles all others.
        if environ["REQUEST_METHOD"] != "POST" or not is_callback:
            return self._wsgi_app(environ, start_response)
        try:
            body = to_json(accept_callback(self._services, environ, token))
        except Exception as error:  # noqa: BLE001 - Flask's error handlers take every exception
            with self._app.request_context(environ):
                answer = self._app.handle_user_exception(error)
                response = self._app.process_response(self._app.make_response(answer))
                return response(environ, start_response)
        length = str(len(body))
        start_response("200 OK", [("Content-Type", JSON), ("Content-Length", length)])
        return (body,)
