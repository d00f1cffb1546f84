"""Copies of the repository, and what its tests say there."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.procfile import ROOT

PATIENCE_SECONDS = 600.0
_RED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
_TOLD_SECONDS = 10.0


class Unclear(Exception):
    """The tests did not come to an end that says anything."""


@contextmanager
def a_copy() -> Iterator[Path]:
    """Every file that is or could be committed, as it is in the working tree."""
    with TemporaryDirectory(prefix="fluxkeep-mutant-", ignore_cleanup_errors=True) as directory:
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
        for name in names.decode().split("\0"):
            source, target = ROOT / name, Path(directory) / name
            if name and source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        yield Path(directory)


def red(root: Path, tests: tuple[str, ...]) -> set[str]:
    """Run tests in a copy; those of them that fail. Raises Unclear."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=no", "--no-header"]
    # Narrow terminals cut the names in the summary; a copy needs no cache.
    environment = {**os.environ, "COLUMNS": "400", "PYTHONDONTWRITEBYTECODE": "1"}
    popen = subprocess.Popen(
        [*command, "-p", "no:cacheprovider", *tests],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = popen.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unclear(f"no end within {PATIENCE_SECONDS:g} s") from None
    finally:
        _end(popen)
    if popen.returncode not in (0, 1):
        raise Unclear(f"pytest ended with {popen.returncode}:\n{output[-2000:]}")
    failed = set(_RED.findall(output))
    if popen.returncode == 1 and not failed:
        raise Unclear(f"no test is named as failed:\n{output[-2000:]}")
    return {test for test in tests if any(_is_of(found, test) for found in failed)}


def _is_of(found: str, test: str) -> bool:
    """Whether a failed node is this test or one of its cases."""
    return found == test or found.startswith((f"{test}[", f"{test}::"))


def _end(popen: subprocess.Popen[str]) -> None:
    if popen.poll() is None:
        os.killpg(popen.pid, signal.SIGKILL)
        popen.wait(_TOLD_SECONDS)
