"""`flask --app receiver …` as a person types it, beside an installation and with its settings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deploy.procfile import ROOT
from tests.harness import forked
from tests.harness.forked import FLASK
from tests.harness.installation import Installation
from tests.harness.process import Process

TIMEOUT_SECONDS = 240
FOX = ("submit", "--model", "flux-2-pro", "--prompt", "a fox")


@dataclass(frozen=True)
class CommandResult:
    """Exit code and output of a command; `words` is all output with single spaces."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        return " ".join((self.out + " " + self.err).split())


class CommandLine:
    """Commands in the installation's directory, which has no `.env`."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._directory: Path = installation.directory

    def run(
        self, *arguments: str, stdin: str | bytes = "", **settings: str | None
    ) -> CommandResult:
        """Run one command; None removes a setting. Fails if the output has a secret."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        result = self._run(arguments, given, self.environment(**settings))
        for secret in self._installation.secrets():
            assert secret not in result.out + result.err
        assert "Traceback" not in result.err, result.err
        return result

    def _run(
        self, arguments: Sequence[str], stdin: bytes, environment: Mapping[str, str]
    ) -> CommandResult:
        with TemporaryDirectory(prefix="fluxkeep-shell-") as name:
            streams = given, out, err = Path(name, "in"), Path(name, "out"), Path(name, "err")
            given.write_bytes(stdin)
            process = forked.fork([*FLASK, *arguments], environment, self._directory, streams)
            assert process is not None
            try:
                code = process.wait(TIMEOUT_SECONDS)
            finally:
                process.kill()
            return CommandResult(code, out.read_text(), err.read_text())

    def start(self, *arguments: str, log: Path) -> Process:
        """Start a command in the background; stdout and stderr go into the log."""
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
        result = self.run(*FOX, *options, *quick(**switches))
        assert result.code == 0, result
        return result.out.strip()


def quick(**switches: Any) -> tuple[str, str]:
    """The option that tells the sandbox how the task goes."""
    return "--input", f"sandbox={json.dumps({'seconds': 0.02, **switches})}"
