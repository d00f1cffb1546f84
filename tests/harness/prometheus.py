"""A real Prometheus and its promtool: found on this machine, else unpacked from Debian's package.

`python -m tests.harness.prometheus` is what `make test` runs before the tests. The package is not
installed, which would start a service: it is unpacked beside the virtual environment.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import requests

from tests.harness.patience import answers, wait_for
from tests.harness.ports import free_port
from tests.harness.process import Process

CACHE = Path(sys.prefix) / "share" / "prometheus"
_ADVICE = (
    "The tests with Prometheus are skipped: install it (apt-get install prometheus, or from "
    "prometheus.io) so that `prometheus` and `promtool` are found, and try again."
)


class PrometheusMissing(RuntimeError):
    """Neither found nor to be had."""


def find(program: str) -> str:
    """The path of `prometheus` or `promtool`; raises PrometheusMissing."""
    path = shutil.which(program) or shutil.which(program, path=str(CACHE / "usr" / "bin"))
    if path is None:
        raise PrometheusMissing(f"There is no {program} here. {_ADVICE}")
    return path


def missing() -> str:
    """Why there is none; empty where there is."""
    try:
        find("promtool"), find("prometheus")
    except PrometheusMissing as error:
        return str(error)
    return ""


def unpack() -> None:
    """Fetch Debian's package and lay it out under CACHE. Raises PrometheusMissing."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            # The package; where apt knows of none yet, it reads its lists first.
            try:
                _run("apt-get", "-qq", "download", "prometheus", cwd=directory)
            except subprocess.CalledProcessError:
                root = [] if os.geteuid() == 0 else ["sudo", "-n"]
                _run(*root, "apt-get", "-qq", "update", cwd=directory)
                _run("apt-get", "-qq", "download", "prometheus", cwd=directory)
            (package,) = Path(directory).glob("prometheus_*.deb")
            _run("dpkg", "-x", str(package), str(CACHE), cwd=directory)
        except (OSError, ValueError, subprocess.CalledProcessError):
            raise PrometheusMissing(_ADVICE) from None


def _run(*command: str, cwd: str) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool; return its output. Raises PrometheusMissing."""
    command = [find("promtool"), *arguments]
    return subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=60, check=False
    )


class Prometheus:
    """Started at once, with a configuration that may name `rules`; asked over its API."""

    def __init__(self, directory: Path, configuration: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = directory / "prometheus.log"
        file = directory / "prometheus.yml"
        file.write_text(configuration)
        command = [
            find("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'tsdb'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]
        self._process = Process("prometheus", command, {"PATH": ""}, self._log, directory)
        wait_for("Prometheus", self._answers, 30)

    def _answers(self) -> bool:
        if not self._process.alive:
            raise RuntimeError(f"it has ended: {self._log.read_text()[-2000:]}")
        return answers(f"{self.url}/-/ready")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query, each with `metric` and `value`."""
        answer = requests.get(f"{self.url}/api/v1/query", {"query": expression}, timeout=30).json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def number(self, expression: str) -> float | None:
        """The one value of an expression, None as long as there is none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def alerts(self) -> dict[str, Any]:
        """Every rule by its name, as it stands."""
        groups = requests.get(f"{self.url}/api/v1/rules", timeout=30).json()["data"]["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def close(self) -> None:
        self._process.kill_all()


def main() -> None:
    if missing():
        sys.stderr.write("Prometheus is missing; fetching it for its tests ...\n")
        try:
            unpack()
        except PrometheusMissing as error:
            sys.stderr.write(f"{error}\n")


if __name__ == "__main__":
    main()
