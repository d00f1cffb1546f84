"""Node.js for clients written in JavaScript: found on this machine, or said to be missing."""

import shutil
import subprocess

OLDEST = 20
_ADVICE = (
    f"The tests with JavaScript clients need Node.js {OLDEST} or newer and npm: "
    "install them (apt-get install nodejs npm, or from nodejs.org) and try again."
)
# Nothing of a package is run while it is installed, and nobody else is told what is installed.
_CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


class NodeMissing(RuntimeError):
    """Node.js is not there, or too old."""


def find(program: str) -> str:
    """The path of `node` or `npm`; raises NodeMissing."""
    path = shutil.which(program)
    if path is None:
        raise NodeMissing(f"There is no {program} here. {_ADVICE}")
    return path


def version() -> str:
    """As in `v20.20.2`; raises NodeMissing."""
    return subprocess.check_output([find("node"), "--version"], text=True, timeout=30).strip()


def ci() -> list[str]:
    """The command that installs exactly what package-lock.json lists; raises NodeMissing."""
    if int(version().lstrip("v").split(".")[0]) < OLDEST:
        raise NodeMissing(f"Node.js is {version()} here. {_ADVICE}")
    return [find("npm"), *_CI]
