"""Idempotency keys: validation, and the job ids that are derived from a key."""

import re
from typing import NamedTuple

from jobs.domain.errors import InvalidField
from jobs.domain.retention import DAY_SECONDS
from jobs.services import Services
from jobs.signing import idempotent_id
from receiver.schemas.formats import IDEMPOTENCY_KEY


class IdempotencyKey(NamedTuple):
    """The `Idempotency-Key` header, and the API key or session that sent it.

    Two senders that use an equal header do not share a job.
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

    An id depends on the day and on the SECRET_KEY. The ids of yesterday and tomorrow find the job
    of a request that is repeated after midnight. Ids by an older SECRET_KEY find a job that was
    created before a rotation.
    """
    sender, header = idempotency_key
    today = int(services.store.now() // DAY_SECONDS)
    days = (today, today - 1, today + 1)
    ids: list[str] = []
    for secret in services.settings.secret_key:
        for day in days:
            ids.append(idempotent_id(secret, sender, header, str(day)))
    return ids
