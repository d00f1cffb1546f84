"""Signs what is told of a job's end as the Standard Webhooks specification says."""

import base64
import binascii
from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import SecretStr
from standardwebhooks import Webhook

SECRET_BYTES = range(24, 65)
_PREFIX = "whsec_"


def check_secret(secret: str) -> None:
    """Raises ValueError for what not every verifier of the specification would read."""
    try:
        size = len(base64.b64decode(secret.removeprefix(_PREFIX), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size not in SECRET_BYTES:
        raise ValueError("each is whsec_ and the base64 of 24 to 64 random bytes")


class Seal:
    """Knows the secrets. All of them sign, so that receivers can change theirs one by one."""

    def __init__(self, secrets: Iterable[SecretStr]) -> None:
        self._webhooks = [Webhook(secret.get_secret_value()) for secret in secrets]

    def __bool__(self) -> bool:
        return bool(self._webhooks)

    def headers(self, message_id: str, now: float, body: str) -> dict[str, str]:
        """What proves a body, sent now."""
        at = datetime.fromtimestamp(int(now), UTC)
        signatures = [webhook.sign(message_id, at, body) for webhook in self._webhooks]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": " ".join(signatures),
        }
