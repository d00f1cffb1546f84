"""A small picture of a kept one: a nicety, which is left out rather than be in the way."""

import hashlib
import logging
import signal
from dataclasses import dataclass
from pathlib import Path

from jobs.kept import Kept
from worker import picture
from worker.hatch import Drawn, hatch

CONTENT_TYPE = "image/webp"
WALL_SECONDS = 30.0  # a picture has ten seconds of CPU, which may be a busy one

# Not by its own limits: a platform that stops every process, or a machine without memory.
_ENDED = (-signal.SIGTERM, -signal.SIGKILL)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    body: bytes
    width: int
    height: int

    def kept(self, key: str) -> Kept:
        """What is known of it once it is kept under a key."""
        return Kept(
            key=key,
            content_type=CONTENT_TYPE,
            bytes=len(self.body),
            sha256=hashlib.sha256(self.body).hexdigest(),
            width=self.width,
            height=self.height,
        )


def make(path: Path, content_type: str) -> Thumbnail | None:
    """Draw a picture small.

    None, and a line in the log, for a picture of which none can be drawn; None for a film. Raises
    OSError when the original cannot be opened or somebody ends the darkroom, and nothing else.
    """
    if not content_type.startswith("image/"):
        return None
    drawn = _drawn(path, content_type)
    size = picture.size(drawn, CONTENT_TYPE)
    return Thumbnail(drawn, *size) if size else None


def _drawn(path: Path, content_type: str) -> bytes:
    """What the darkroom made of it, no bytes when that is nothing."""
    with path.open("rb") as original:
        try:
            drawn = hatch.draw(original, content_type, WALL_SECONDS)
        except TimeoutError:
            drawn = Drawn(1, b"it takes too long")
    if drawn.code in _ENDED:
        raise InterruptedError
    if drawn.code:
        log.warning("no thumbnail of %s: %s", path.name, _reason(drawn))
        return b""
    return drawn.body


def _reason(drawn: Drawn) -> str:
    if drawn.code < 0:
        return signal.strsignal(-drawn.code) or "killed"
    return drawn.body.decode("ascii", errors="replace")
