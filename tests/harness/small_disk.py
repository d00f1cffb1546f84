"""A disk of a few megabytes, to fill to the byte: a tmpfs, which needs root on Linux."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK_BYTES = 4096


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[Path]:
    """Mount one there; skips the test where that is not permitted."""
    directory.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk needs root on Linux")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)  # noqa: S607 - wherever it is


@contextmanager
def filled(directory: Path) -> Iterator[None]:
    """No byte is left inside."""
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(BLOCK_BYTES)):
                pass
        except OSError:  # ENOSPC
            pass
    try:
        yield
    finally:
        filler.unlink()
