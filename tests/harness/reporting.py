"""The package that SENTRY_DSN needs, installed apart from all others by `make setup`."""

import sys
from pathlib import Path

PACKAGES = Path(sys.prefix) / "share" / "reporting"
VARIABLES = {"PYTHONPATH": str(PACKAGES)}
