"""The packages that SENTRY_DSN and OpenTelemetry's variables want, kept beside all others.

`make setup` installs them here: redis-py imports OpenTelemetry wherever it finds it, which each
of the hundreds of processes of other tests would wait for.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

PACKAGES = Path(sys.prefix) / "share" / "reporting"
VARIABLES = {"PYTHONPATH": str(PACKAGES)}


def load(module: str) -> Any:
    """One of their modules, in this process."""
    sys.path.append(str(PACKAGES))
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(str(PACKAGES))
