"""Authentication headers of a callback."""

import hmac

from tests.sandbox.switches import Switches

WRONG_SECRET = "not-the-secret"


def sign(body: bytes, secret: str | None, switches: Switches) -> dict[str, str]:
    """Both official schemes, as the task's switches want them."""
    if switches.auth == "none" or (secret is None and switches.auth != "wrong"):
        return {}
    word = WRONG_SECRET if switches.auth == "wrong" else secret or ""
    headers = {}
    if switches.auth in ("secret", "both", "wrong"):
        headers["X-Webhook-Secret"] = word
    if switches.auth in ("signature", "both", "wrong"):
        headers["X-BFL-Signature"] = f"sha256={hmac.new(word.encode(), body, 'sha256').hexdigest()}"
    return headers
