"""What is sent to whom when a job has ended, and what its answer means."""

import json
from collections.abc import Callable
from typing import NamedTuple, Self

from jobs import bfl_answers, portrait, shape, web
from jobs.bfl import AUTHENTICATION_HEADERS
from jobs.errors import RefusedUrl, TransferFailed
from jobs.hosts import Recipient
from jobs.job import Job
from jobs.notice import Outcome
from jobs.services import Services
from jobs.shown import Notification
from jobs.signing import callback_digest
from jobs.target import Notice, Target

ANSWER_SECONDS = 20.0
GONE = 410

_JSON = {"Content-Type": "application/json"}


class Letter(NamedTuple):
    """One POST."""

    recipient: Recipient
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, services: Services, job: Job, notice: Notice) -> Self:
        """Raises RefusedUrl when it may not be sent."""
        recipient = recipient_of(services, job, notice.to)
        write = _as_bfl if notice.to is Target.CALLER else _as_standard
        return cls(recipient, *write(services, job, notice))

    def sent(self) -> Outcome:
        """The status alone counts: nothing of the answer's body is read."""
        address = self.recipient.address
        try:
            with (
                web.session_to(self.recipient) as session,
                web.exchange(
                    session, address, seconds=ANSWER_SECONDS, headers=self.headers, body=self.body
                ) as response,
            ):
                return _meaning(response.status_code, response.headers.get("Retry-After", ""))
        except (TransferFailed, RefusedUrl) as error:
            return Outcome(str(error))


def recipient_of(services: Services, job: Job, to: Target) -> Recipient:
    """Raises RefusedUrl."""
    trust = services.trust
    if to is Target.OWNER:
        return trust.owner()
    url = job.notify_url if to is Target.APP else job.caller and job.caller.url
    find: Callable[[str], Recipient] = trust.app if to is Target.APP else trust.caller
    return find(url or "")


def _as_bfl(services: Services, job: Job, _notice: Notice) -> tuple[dict[str, str], bytes]:
    """With the secret in both of BFL's official forms, when there is one."""
    said = bfl_answers.told(job, services.links_to(job))
    body = json.dumps(said, ensure_ascii=False).encode()
    secret = job.caller.secret if job.caller else None
    if secret is None:
        return _JSON, body
    digest = callback_digest(secret.encode(), body).decode()
    proofs = (secret, f"sha256={digest}")
    return _JSON | dict(zip(AUTHENTICATION_HEADERS, proofs, strict=True)), body


def _as_standard(services: Services, job: Job, notice: Notice) -> tuple[dict[str, str], bytes]:
    """The job as the status API shows it, signed for this very try."""
    said: Notification = {
        "type": f"job.{job.state}",
        "timestamp": portrait.time(notice.since),
        "data": shape.job(services, job),
    }
    body = json.dumps(said)
    proof = services.seal.headers(notice.id(job.id), services.store.now(), body)
    return _JSON | proof, body.encode()


def _meaning(status: int, retry_after: str) -> Outcome:
    """A redirect is a failure like any other; only "gone" says that no other try is wanted."""
    if status // 100 == 2:
        return Outcome()
    # Whoever writes a date instead of seconds gets the ordinary pause.
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    return Outcome(f"it answered {status}", final=status == GONE, retry_after=seconds)
