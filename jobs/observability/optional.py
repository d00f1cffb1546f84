"""Libraries that are installed only where a setting asks for them."""

import importlib
from typing import Any

from jobs.errors import InvalidSettings

REQUIREMENTS = "deploy/requirements-reporting.txt"


def load(module: str, wanted_by: str) -> Any:
    """A module; raises InvalidSettings, naming the setting, when its package is missing."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InvalidSettings(
            f"{wanted_by}: needs packages that are not installed; pip install -r {REQUIREMENTS}"
        ) from None
