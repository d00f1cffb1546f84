"""How numbers, times and names read; each is a filter of the templates."""

import json
from typing import Any

from flask import Flask
from jinja2 import StrictUndefined

from jobs import serializer
from jobs.store.search_indexes import as_text
from receiver.context import services
from receiver.dashboard.assets import asset
from receiver.dashboard.event_texts import event_text

KILO = 1024
MINUTE, HOUR, DAY = 60, 3600, 86400
CLOCK_MAX_SECONDS = 2 * HOUR
LATELY_SECONDS = 10


def install(app: Flask) -> None:
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.add_template_global(asset)
    for one in (
        bytes_,
        span,
        clock,
        rfc3339,
        exact,
        minute,
        ago,
        left,
        number,
        as_json,
        as_text,
        event_text,
    ):
        app.add_template_filter(one, one.__name__.strip("_"))


def bytes_(size: float) -> str:
    """`1.4 MB`."""
    for unit in ("B", "KB", "MB"):
        if size < KILO:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= KILO
    return f"{size:.1f} GB"


def span(seconds: float) -> str:
    """`42 s`, `7 min`, `3 h`, `12 d`."""
    seconds = max(0.0, seconds)
    for unit, length in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= length:
            return f"{int(seconds / length)} {unit}"
    return f"{int(seconds)} s"


def clock(seconds: float) -> str:
    """`4:10`, `1:02:03`."""
    whole = max(0, round(seconds))
    hours, minutes = whole // HOUR, whole % HOUR // MINUTE
    return (
        f"{hours}:{minutes:02}:{whole % MINUTE:02}" if hours else f"{minutes}:{whole % MINUTE:02}"
    )


def rfc3339(at: float) -> str:
    return serializer.time(at)


def exact(at: float) -> str:
    """`21 Nov 2026, 13:05:09 UTC`; a script says it in the viewer's zone."""
    return serializer.utc(at).strftime("%-d %b %Y, %H:%M:%S UTC")


def minute(at: float) -> str:
    """As a date field of a form has it, in UTC."""
    return serializer.utc(at).strftime("%Y-%m-%dT%H:%M")


def ago(at: float) -> str:
    """`now`, `7 min ago`; a script (times.js) keeps it true in the same words."""
    seconds = services().store.now() - at
    return "now" if seconds < LATELY_SECONDS else f"{span(seconds)} ago"


def left(at: float) -> str:
    """`in 12 s`, `in 4:10`; a script counts it down."""
    seconds = at - services().store.now()
    if seconds < 1:
        return "any moment"
    short = seconds < MINUTE or seconds >= CLOCK_MAX_SECONDS
    return f"in {span(seconds) if short else clock(seconds)}"


def number(value: Any) -> str:
    """`12,345` or `0.05`."""
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


def as_json(value: Any) -> str:
    """To read, and not for a script: the template escapes it."""
    return json.dumps(value, indent=2, ensure_ascii=False)
