"""Jobs as text: a table of many, a portrait of one."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from receiver.commands.command import plain

COLUMNS = {"id": 36, "status": 9, "model": 20, "created_at": 24}
FACTS = ("id", "task_id", "status", "model", "source", "created_at", "updated_at", "deadline")
LABEL_WIDTH = 12


def table(jobs: Sequence[Mapping[str, Any]]) -> str:
    """One line for each, below the names of the columns."""
    if not jobs:
        return "no jobs"
    rows = [{name: name.removesuffix("_at") for name in COLUMNS}, *jobs]
    return "\n".join(_row(row) for row in rows)


def _row(job: Mapping[str, Any]) -> str:
    cells = (plain(str(job[name] or "-")).ljust(width) for name, width in COLUMNS.items())
    return "  ".join(cells).rstrip()


def portrait(job: Mapping[str, Any], waits_for: str | None) -> str:
    """All that is known of one, its timeline at the end."""
    return "\n".join([*_facts(job, waits_for), *_media(job), *_timeline(job)])


def _facts(job: Mapping[str, Any], waits_for: str | None) -> Iterator[str]:
    shown = {name: job[name] for name in FACTS}
    shown["waits for"] = waits_for
    if job["progress"] is not None:
        shown["progress"] = f"{job['progress']:.0%}"
    shown |= {name: job[name] for name in ("cost", "error", "moderation", "metadata", "result")}
    for name, value in shown.items():
        if value not in (None, {}):
            yield _fact(name.replace("_", " ").removesuffix(" at"), value)


def _fact(label: str, value: Any) -> str:
    return f"{label:{LABEL_WIDTH}}{plain(_text(value))}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _media(job: Mapping[str, Any]) -> Iterator[str]:
    for medium in job["media"]:
        size = f"{medium['width']} x {medium['height']}, " if medium["width"] else ""
        yield _fact("media", f"{medium['content_type']}, {size}{medium['bytes']} bytes")
        yield _fact("", medium["url"])


def _timeline(job: Mapping[str, Any]) -> Iterator[str]:
    yield "timeline"
    for moment in job["timeline"]:
        detail = (f"{name}={_text(value)}" for name, value in moment["detail"].items())
        yield plain("  ".join(["", moment["at"], moment["what"], *detail]))
