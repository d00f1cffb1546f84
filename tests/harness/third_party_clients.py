"""Clients of BFL's API that others wrote: each installed once, then run as a process of its own."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.procfile import ROOT
from tests.harness import node

PROGRAMS = ROOT / "tests" / "harness" / "clients"
NODE_MODULES = PROGRAMS / "node_modules"
_BLACKFOREST = ROOT / "var" / "clients" / "blackforest"
_LOCK = ROOT / "var" / "clients" / "lock"
INSTALL_SECONDS = 300
RUN_SECONDS = 240
# What a developer's shell may hold and these clients listen to.
_FOREIGN = ("BFL_API_KEY", "BFL_ENV", "BFL_DEBUG", "NODE_OPTIONS", "PYTHONPATH")


@dataclass(frozen=True)
class GenerationRequest:
    """One generation that a client is to request."""

    url: str
    key: str
    input: dict[str, Any]
    model: str = "flux-pro-1.1"  # the newest that every client knows
    prompt: str = "a lighthouse at dawn"
    patience: float = 30.0


@dataclass(frozen=True)
class Foreign:
    """One client; `name` tells its program which of several ways to use it."""

    name: str
    installed: Callable[[], list[str]]

    def run(self, request: GenerationRequest) -> dict[str, Any]:
        """Run the client and return its outcome (JSON). Raises CalledProcessError."""
        found: dict[str, Any] = outcome(self.installed(), {"client": self.name, **vars(request)})
        return found


def environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return own | {"PYTHONPATH": str(_BLACKFOREST), "NO_PROXY": "127.0.0.1"}


def ai_sdk() -> list[str]:
    """The command that runs it, installed."""
    return _javascript("generate.mjs")


def verified(secret: str, headers: dict[str, str], body: str) -> dict[str, Any]:
    """Result of the Standard Webhooks library for JavaScript: `payload` or `error`."""
    given = {"secret": secret, "headers": headers, "body": body}
    found: dict[str, Any] = outcome(_javascript("verify.mjs"), given)
    return found


def outcome(command: list[str], given: dict[str, Any]) -> Any:
    """Answer of a program to its input, both JSON. Raises CalledProcessError."""
    done = subprocess.run(
        command,
        input=json.dumps(given),
        env=environment(),
        stdout=subprocess.PIPE,
        timeout=RUN_SECONDS,
        check=True,
        text=True,
    )
    return json.loads(done.stdout)


def _javascript(program: str) -> list[str]:
    return [*javascript(), str(PROGRAMS / program)]


def javascript() -> list[str]:
    """Node.js, with the packages of tests/harness/clients installed for whatever runs there."""
    _install(PROGRAMS / "package-lock.json", NODE_MODULES, node.ci())
    return [node.find("node")]


def npm_package(name: str) -> Path:
    """Where one of those packages is, installed."""
    javascript()
    return NODE_MODULES / name


def blackforest() -> list[str]:
    """The command that runs it, installed.

    Without the Pillow that it pins, which is of 2024 and has no wheel for the Pythons of today.
    """
    lock = PROGRAMS / "requirements.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _install(lock, _BLACKFOREST, [*pip, "--no-deps", "-r", str(lock), "-t", str(_BLACKFOREST)])
    return [sys.executable, str(PROGRAMS / "generate.py")]


def _install(lock: Path, place: Path, command: list[str]) -> None:
    """Run the command unless it has run since the lock last changed; others wait meanwhile."""
    with _alone():
        stamp, wanted = place / ".installed", hashlib.sha256(lock.read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run(command, cwd=PROGRAMS, timeout=INSTALL_SECONDS, check=True)
        stamp.write_text(wanted)


@contextmanager
def _alone() -> Iterator[None]:
    """Of all test runs in this directory; the system lets go when the process ends."""
    _LOCK.parent.mkdir(parents=True, exist_ok=True)
    with _LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


CLIENTS = (
    Foreign("blackforest-sync", blackforest),
    Foreign("blackforest-async", blackforest),
    Foreign("ai-sdk-6", ai_sdk),
    Foreign("ai-sdk-7", ai_sdk),
)
