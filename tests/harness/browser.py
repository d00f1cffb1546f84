"""The Chromium that browser tests drive: found on this machine, else installed where apt can.

`python -m tests.harness.browser` is what `make test` runs before the tests.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_MAC_APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
ADVICE = "The browser tests will fail: install Chromium (apt-get install chromium) and try again."


def find() -> str | None:
    """The path of a Chromium or Chrome, or None."""
    programs = (shutil.which(name) for name in _PROGRAMS)
    applications = (path for path in _MAC_APPLICATIONS if Path(path).exists())
    return next((path for path in (*programs, *applications) if path), None)


def install() -> bool:
    """Install Debian's package, as root or with a sudo that asks nothing; False if that failed."""
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        return False
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", apt_get, "-qq"]
    try:
        subprocess.run([*root, *quiet, "update"], check=True)
        packages = ["install", "--yes", "--no-install-recommends", "chromium"]
        subprocess.run([*root, *quiet, *packages], check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def main() -> None:
    if find() is None:
        sys.stderr.write("Chromium is missing; trying to install it for the browser tests ...\n")
        if not install() or find() is None:
            sys.stderr.write(f"{ADVICE}\n")


if __name__ == "__main__":
    main()
