"""Hooks of Schemathesis: each request has another network, as wrong keys are limited by it."""

from itertools import count
from typing import Any

import schemathesis

_numbers = count()


@schemathesis.hook
def before_call(_context: Any, case: Any, **_kwargs: Any) -> None:
    case.headers["X-Forwarded-For"] = f"2001:db8:{next(_numbers) % 0xFFFF:x}::"
