"""Globals and filters of all templates: the visitor; durations, times, JSON, words, events."""

import json
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from flask import Flask
from jinja2 import StrictUndefined
from jinja2.filters import do_filesizeformat
from markupsafe import Markup, escape

from jobs import search_words
from jobs.domain.errors import StoreUnavailable
from jobs.domain.timeline import EventCode
from jobs.domain.timestamps import rfc3339, utc
from jobs.store.search_conditions import as_text
from receiver.context import current_services
from receiver.dashboard import csrf, session
from receiver.dashboard.assets import asset
from receiver.dashboard.session import current_path

MINUTE = 60
HOUR = 3600
DAY = 86400
CLOCK_MAX_SECONDS = 2 * HOUR
_CODE_SPAN = re.compile(r"`([^`]+)`")
_WORD = re.compile(r"(\w+)")
BEFORE_CHARS = 20  # of a caption, before the first word that was searched
NOW_SECONDS = 10  # the first seconds read "now"

# Words for the events of a timeline, those of docs/api.md; the API has their codes.
TEXTS = {
    EventCode.JOB_ANNOUNCED: "Announced by its caller",
    EventCode.JOB_STORED: "Media stored",
    EventCode.JOB_EXPIRED: "URL expired",
    EventCode.JOB_GIVEN_UP: "Given up",
    EventCode.JOB_REPLAYED: "Replay requested",
    EventCode.SUBMISSION_QUEUED: "Queued",
    EventCode.SUBMISSION_DRAFT_REFERENCED: "Uses a stored draft",
    EventCode.SUBMISSION_PAUSED: "Submitting is paused",
    EventCode.SUBMISSION_OVER_BUDGET: "Waits until its key's budget has room",
    EventCode.SUBMISSION_SENT: "Sent to BFL",
    EventCode.SUBMISSION_ACCEPTED: "BFL accepted it",
    EventCode.SUBMISSION_REFUSED: "BFL refused it",
    EventCode.SUBMISSION_UNCONFIRMED: "BFL did not confirm it",
    EventCode.SUBMISSION_DUPLICATED: "BFL has a duplicate task",
    EventCode.SUBMISSION_REQUEUED: "Queued again",
    EventCode.SUBMISSION_RETRIED: "Sent again without a callback",
    EventCode.SUBMISSION_REPLAYED: "Submitted again by an operator",
    EventCode.CALLBACK_ACCEPTED: "Callback accepted",
    EventCode.CALLBACK_REFUSED: "Callback refused",
    EventCode.CALLBACK_LATE: "Callback after the job had ended",
    EventCode.POLL_ANSWERED: "BFL answered a poll",
    EventCode.POLL_RETRIED: "Poll without a final answer",
    EventCode.RESCUE_RETRIED: "Rescue failed, to be retried",
    EventCode.RESCUE_REFUSED: "Media refused",
    EventCode.RESCUE_RECOVERED: "Media recovered from the storage",
    EventCode.RESCUE_FILE_SKIPPED: "File skipped",
    EventCode.RESCUE_FILE_DOUBTED: "File kept, though a proof of it is wrong",
    EventCode.RESULT_TRUNCATED: "Too many files, some skipped",
    EventCode.WORKER_FAILED: "Unexpected error of a worker",
    EventCode.MEDIA_DELETED: "Media deleted",
    EventCode.MEDIA_MISSING: "Media missing from the storage",
    EventCode.MEDIA_FOUND: "Media found in the storage again",
    EventCode.NOTIFICATION_DELIVERED: "Notification delivered",
    EventCode.NOTIFICATION_RETRIED: "Notification failed, to be retried",
    EventCode.NOTIFICATION_ABANDONED: "Notification given up",
    EventCode.NOTIFICATION_REPEATED: "To be notified once more",
}
SELF_EXPLANATORY = ("answer", "code", "error", "reason", "status", "to")


def install(app: Flask) -> None:
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.context_processor(_context_of_templates)
    app.jinja_env.globals.update(
        asset=asset, now=now, current_path=current_path, csrf_field=csrf.hidden_field
    )
    for template_filter in _FILTERS:
        app.add_template_filter(template_filter, template_filter.__name__)


def _context_of_templates() -> dict[str, Any]:
    return {"visitor": session.current_visitor()}


def now() -> float:
    """Unix time by the clock of Redis, as deadlines are; by our own while Redis is away."""
    try:
        return round(current_services().store.now(), 1)
    except StoreUnavailable:
        return round(time.time(), 1)


def duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3 h`, `12 d`."""
    seconds = max(0.0, seconds)
    for unit, length in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds >= length:
            return f"{int(seconds / length)} {unit}"
    return f"{int(seconds)} s"


def clock(seconds: float) -> str:
    """`4:10`, `1:02:03`."""
    whole_seconds = max(0, round(seconds))
    all_minutes, second = divmod(whole_seconds, MINUTE)
    hour, minute = divmod(all_minutes, MINUTE)
    if hour:
        return f"{hour}:{minute:02}:{second:02}"
    return f"{minute}:{second:02}"


def utc_text(at: float) -> str:
    """`21 Nov 2026, 13:05:09 UTC`; times.js shows it in the viewer's time zone."""
    return utc(at).strftime("%-d %b %Y, %H:%M:%S UTC")


def utc_minute(at: float) -> str:
    """`2026-11-21T13:05`, the value of a date field."""
    return utc(at).strftime("%Y-%m-%dT%H:%M")


def age(at: float) -> str:
    """`now`, `7 min ago`; times.js updates it in the same words."""
    seconds = current_services().store.now() - at
    if seconds < NOW_SECONDS:
        return "now"
    return f"{duration(seconds)} ago"


def remaining(at: float) -> str:
    """`in 12 s`, `in 4:10`; times.js counts it down in the same words."""
    seconds = int(at - current_services().store.now())
    if seconds < 1:
        return "any moment"
    if MINUTE <= seconds < CLOCK_MAX_SECONDS:
        return f"in {clock(seconds)}"
    return f"in {duration(seconds)}"


def number(value: float) -> str:
    """`12,345` or `0.05`."""
    return f"{value:,.10g}"


def code_spans(text: str) -> Markup:
    """HTML of a text of the OpenAPI document, with its `code` in backticks as elements."""
    # On Python 3.11 `re.sub` of a Markup escapes what it inserts.
    return Markup(_CODE_SPAN.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped


def as_json(value: Any) -> str:
    """Indented JSON for people; the template escapes it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@lru_cache(maxsize=1024)  # the prompts of a page have many words in common
def _words(part: str) -> frozenset[str]:
    return frozenset(search_words.fold(part).split())


def marked(text: str, query: str, most: int) -> Markup:
    """The part of a text in which the words of a search stand, with these words marked.

    It has at most `most` characters besides the ellipses.
    """
    searched_words: set[str] = set()
    for phrase in search_words.phrases(query):
        searched_words.update(phrase.split())
    if not searched_words:
        return escape(_cut(text, most))
    first_at = _position_of_first_word(text, searched_words)
    if first_at > most / 2:  # else the word would be behind the end of the caption
        return Markup("…") + marked(text[first_at - BEFORE_CHARS :], query, most)
    if len(text) > most:
        return marked(text[:most], query, most) + "…"
    html: list[Markup] = []
    for run in _runs_of_words(text, searched_words):
        if run.is_searched:
            html.append(Markup("<mark>{}</mark>").format(run.text))
        else:
            html.append(escape(run.text))
    return Markup("").join(html)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}…"


def _is_searched(part: str, searched_words: Collection[str]) -> bool:
    return not _words(part).isdisjoint(searched_words)


def _position_of_first_word(text: str, searched_words: Collection[str]) -> int:
    """Where the first searched word begins; 0 if none stands in the text."""
    position = 0
    for part in _WORD.split(text):
        if _is_searched(part, searched_words):
            return position
        position += len(part)
    return 0


class _Run(NamedTuple):
    """Neighbouring parts of a text that are all searched words, or none of which is."""

    is_searched: bool
    text: str


def _runs_of_words(text: str, searched_words: Collection[str]) -> list[_Run]:
    runs: list[_Run] = []
    for part in _WORD.split(text):
        is_searched = _is_searched(part, searched_words)
        if runs and runs[-1].is_searched == is_searched:
            last_run = runs.pop()
            runs.append(_Run(is_searched, last_run.text + part))
        else:
            runs.append(_Run(is_searched, part))
    return runs


def event_text(code: str) -> str:
    return TEXTS[EventCode(code)]


def event_details(detail: Mapping[str, Any]) -> Iterator[str]:
    """`wrong secret`, `36.1 kB`, `file: 2`."""
    for name, value in detail.items():
        text = str(value)
        if isinstance(value, list):
            text = ", ".join(str(item) for item in value)
        label = name.replace("_", " ")
        if name == "bytes":
            yield do_filesizeformat(value)
        elif name in SELF_EXPLANATORY:
            yield text
        else:
            yield f"{label}: {text}"


_FILTERS: tuple[Callable[..., Any], ...] = (
    duration,
    clock,
    rfc3339,
    utc_text,
    utc_minute,
    age,
    remaining,
    number,
    as_json,
    as_text,
    code_spans,
    event_text,
    event_details,
    marked,
)
