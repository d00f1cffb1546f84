"""A small picture of a kept one: a nicety, which is left out rather than be in the way."""

import hashlib
import logging
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from worker import picture

CONTENT_TYPE = "image/webp"
WALL_SECONDS = 30.0  # the darkroom has ten seconds of CPU, which may be a busy one

_ROOT = Path(__file__).parents[1]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    width: int
    height: int
    bytes: int
    sha256: str


def make(path: Path, content_type: str, target: Path) -> Thumbnail | None:
    """Draw a picture small into a new file, written through to the disk.

    None, and a line in the log, for a picture of which none can be drawn; None for a film. Raises
    OSError when the original cannot be opened or the target cannot be written, and nothing else.
    """
    if not content_type.startswith("image/"):
        return None
    drawn = _drawn(path, content_type)
    size = picture.size(drawn, CONTENT_TYPE)
    if size is None:
        return None
    with target.open("xb") as file:
        file.write(drawn)
        file.flush()
        os.fsync(file.fileno())
    return Thumbnail(*size, len(drawn), hashlib.sha256(drawn).hexdigest())


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
