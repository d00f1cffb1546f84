"""`flask --app receiver …` as a person types it, beside an installation and with its settings."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.procfile import ROOT
from tests.harness import warm_shell
from tests.harness.installation import Installation
from tests.harness.process import Process
from tests.harness.stack import Stack, stopped_stack
from tests.harness.warm_shell import Typed

FLASK = (sys.executable, "-m", "flask", "--app", "receiver")
TIMEOUT_SECONDS = 240
FOX = ("submit", "--model", "flux-2-pro", "--prompt", "a fox")


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said; `words` is all of it with single spaces."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        return " ".join((self.out + " " + self.err).split())


class CommandLine:
    """Commands run in the installation's own directory, where nobody's `.env` is."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._directory: Path = installation.directory

    def run(self, *arguments: str, stdin: str | bytes = "", **settings: str | None) -> Said:
        """Settings of one command alone; None takes a variable away. No secret may be said."""
        typed = Typed(arguments, self.environment(**settings), self._directory)
        given = stdin.encode() if isinstance(stdin, str) else stdin
        done = warm_shell.run(typed, given, TIMEOUT_SECONDS)
        said = Said(done.returncode, done.stdout.decode(), done.stderr.decode())
        for secret in self._installation.secrets():
            assert secret not in said.out + said.err
        assert "Traceback" not in said.err, said.err
        return said

    def start(self, *arguments: str, log: Path) -> Process:
        """One that is still at work when this returns; both its outputs go into the log."""
        command: Sequence[str] = [*FLASK, *arguments]
        return Process("command", command, self.environment(), log, self._directory)

    def environment(self, **settings: str | None) -> dict[str, str]:
        port = {"PORT": str(self._installation.ports[0]), "PYTHONPATH": str(ROOT)}
        gone = [name for name, value in settings.items() if value is None]
        own = {name: value for name, value in settings.items() if value is not None}
        found = self._installation._environment(port | own)  # noqa: SLF001 - as its processes have it
        return {name: value for name, value in found.items() if name not in gone}

    def submitted(self, *options: str, **switches: Any) -> str:
        """The id of a new job."""
        said = self.run(*FOX, *options, *quick(**switches))
        assert said.code == 0, said
        return said.out.strip()


def quick(**switches: Any) -> tuple[str, str]:
    """The option that tells the sandbox how the task goes."""
    return "--input", f"sandbox={json.dumps({'seconds': 0.02, **switches})}"


@contextmanager
def submitting_stack(directory: Path) -> Iterator[Stack]:
    """Everything runs, and BFL can call about jobs that were submitted here."""
    with stopped_stack(directory) as stack:
        started(stack.installation)
        yield stack


def started(installation: Installation) -> None:
    """The worker tells BFL where to call, so it must know where the web process is."""
    installation.settings["PUBLIC_URL"] = installation.url
    installation.start()
    installation.wait_until_ready()
