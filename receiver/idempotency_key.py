"""Idempotency keys: validation, and the job ids that are derived from one."""

import re
from typing import NamedTuple

from jobs.domain.errors import InvalidField
from jobs.domain.retention import DAY_SECONDS
from jobs.services import Services
from jobs.signing import idempotent_id
from receiver.schemas.formats import IDEMPOTENCY_KEY


class IdempotencyKey(NamedTuple):
    """The `Idempotency-Key` header, and the API key or session that sent it.

    Two senders may use the same header: they do not share a job.
    """

    sender: str
    header: str


def require_header(header: str | None) -> None:
    """Require a valid `Idempotency-Key`, or none at all. Raises InvalidField."""
    if header is not None and not re.fullmatch(IDEMPOTENCY_KEY, header):
        raise InvalidField(
            "Idempotency-Key", "give 1 to 255 printable ASCII characters without spaces"
        )


def job_ids(services: Services, idempotency_key: IdempotencyKey) -> list[str]:
    """All ids that a job of this idempotency key may have; a new job takes the first one.

    An id depends on the day and on the SECRET_KEY. The days around today give one job at midnight,
    too; older SECRET_KEYs find a job that was created before a rotation.
    """
    today = int(services.store.now() // DAY_SECONDS)
    days = (today, today - 1, today + 1)
    ids: list[str] = []
    for secret in services.settings.secret_key:
        sender, header = idempotency_key
        ids += [idempotent_id(secret, sender, header, str(day)) for day in days]
    return ids
