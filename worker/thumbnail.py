"""A small picture of a kept one: a nicety, which is left out rather than be in the way."""

import hashlib
import logging
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from jobs.kept import Kept
from worker import picture

CONTENT_TYPE = "image/webp"
WALL_SECONDS = 30.0  # the darkroom has ten seconds of CPU, which may be a busy one

# Not by its own limits: a platform that stops every process, or a machine without memory.
_ENDED = (-signal.SIGTERM, -signal.SIGKILL)
_ROOT = Path(__file__).parents[1]

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
            result = subprocess.run(
                [sys.executable, "-m", "worker.darkroom", content_type],
                stdin=original,
                capture_output=True,
                check=True,
                cwd=_ROOT,
                timeout=WALL_SECONDS,
            )
        except (subprocess.SubprocessError, OSError) as trouble:
            if getattr(trouble, "returncode", 0) in _ENDED:
                raise InterruptedError from None
            log.warning("no thumbnail of %s: %s", path.name, _reason(trouble))
            return b""
    return result.stdout


def _reason(trouble: Exception) -> str:
    if not isinstance(trouble, subprocess.CalledProcessError):
        return type(trouble).__name__
    if trouble.returncode < 0:
        return signal.strsignal(-trouble.returncode) or "killed"
    said = trouble.stderr.decode(errors="replace").strip()
    return ascii(said.rpartition("\n")[2][:200])
