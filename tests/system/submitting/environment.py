"""Events of submitted jobs."""

from typing import Any


def events(job: dict[str, Any]) -> list[str]:
    """The codes of a timeline."""
    return [line["event"] for line in job["timeline"]]
