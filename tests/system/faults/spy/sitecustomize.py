"""Loaded by a process under test: writes down each fsync, and what could be seen just then."""

import json
import os
from pathlib import Path
from typing import Any

_fsync = os.fsync


def _spied(descriptor: Any) -> None:
    _fsync(descriptor)
    path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
    media = Path(os.environ["MEDIA_URL"].removeprefix("file://"))
    published = [str(found) for found in media.rglob("*.*") if ".staging" not in found.parts]
    with Path(os.environ["FSYNC_LOG"]).open("a") as log:
        log.write(json.dumps({"path": path, "published": published}) + "\n")


os.fsync = _spied  # type: ignore[assignment]  # the same calls reach it
