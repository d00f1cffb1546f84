"""The disk of Redis and that of the media are full to the byte; then there is room again."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.harness import Stack, running_stack, wait_for

DISK_MEGABYTES = 4
BLOCK_BYTES = 4096
DONE_WITHIN_SECONDS = 60.0


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[Path]:
    """Mount a tmpfs to fill to the byte; skips the test where that is not permitted."""
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
    with filler.open("wb", buffering=0) as file, suppress(OSError):  # ENOSPC
        while file.write(bytes(BLOCK_BYTES)):
            pass
    try:
        yield
    finally:
        filler.unlink()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with ExitStack() as disks:
        for name in ("redis", "media"):
            disks.enter_context(small_disk(tmp_path / name, DISK_MEGABYTES))
        yield disks.enter_context(running_stack(tmp_path))


def callback(stack: Stack) -> int:
    return stack.client.callback({"id": "unknown", "status": "Error"}).status_code


def test_all_work_is_done_once_full_disks_have_room_again(stack: Stack) -> None:
    media, redis = stack.installation.media, stack.installation.redis.local.directory
    with filled(media):
        waits_for_media = stack.generate(size=50_000)
        assert "storage" in stack.retry_reason(waits_for_media)
        with filled(redis):
            wait_for("Redis refuses", lambda: callback(stack) == 503)
            waits_for_redis = stack.generate()
            assert stack.outcomes(waits_for_redis) == [503]
            assert stack.client.jobs(), "what only reads is answered"
        wait_for("Redis accepts", lambda: callback(stack) == 200)
    for task in (waits_for_media, waits_for_redis):
        stack.stored(task, DONE_WITHIN_SECONDS)
    stack.settled()
