"""Delivery URLs in the shape of an Azure SAS, valid byte for byte or not at all."""

import math
import secrets
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote


@dataclass(frozen=True)
class Link:
    """One signed URL to one media file of a task."""

    task_id: str
    n: int
    target: str
    expires_at: float

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def expired(self, now: float) -> bool:
        return now >= self.expires_at


def mint(task_id: str, n: int, now: float, life: float, style: str, suffix: str) -> Link:
    # `se` has whole seconds: round so that a URL lives at least `life`, or is born expired.
    expires_at = math.ceil(now + life) if life > 0 else math.floor(now + life)
    stamp = datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # The order of the fields and the raw slash of `rsct` are as recorded.
    query = (
        f"se={quote(stamp)}&sp=r&sv=2026-02-06&sr=b&rsct={_content_type(suffix)}&sig={_signature()}"
    )
    return Link(task_id, n, f"{_path(style, now)}/sample.{suffix}?{query}", expires_at)


def _path(style: str, now: float) -> str:
    name = secrets.token_hex(16)
    if style == "sharded":
        return f"/results/{secrets.token_hex(1)}/{secrets.token_hex(7)}/{name}"
    if style == "durable":
        hour = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d%H")
        return f"/durable/{hour}/{name}/{secrets.token_hex(1)}/{secrets.token_hex(7)}/{name}"
    return f"/results/{name}"


def _signature() -> str:
    """Unguessable, and with every character that a careless client re-encodes: / + and =."""
    while True:
        sig = b64encode(secrets.token_bytes(32)).decode()
        if "/" in sig and "+" in sig:
            return quote(sig, safe="/")


def _content_type(suffix: str) -> str:
    others = {"mp4": "video/mp4", "bin": "application/octet-stream"}
    return others.get(suffix, f"image/{suffix}")
