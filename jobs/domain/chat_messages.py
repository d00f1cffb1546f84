"""One line about a job's end for Slack and Discord, in the JSON that their webhooks take.

Slack: docs.slack.dev/messaging/formatting-message-text; Discord: docs.discord.com, "Execute
Webhook". The texts are foreign: they mention nobody, format nothing and hide no link.
"""

import re
from collections.abc import Mapping
from typing import Any

from jobs.domain.job import Job
from jobs.domain.status import Status

# Of a prompt, and of a reason: escaped and in UTF-16 both leave half of Discord's 2000 to the link.
TEXT_MAX_CHARS = 200

_SLACK = re.compile(r"https?://hooks\.slack(-gov)?\.com[:/].*")
_SLACK_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_DISCORD = re.compile(
    r"https?://((ptb|canary)\.)?discord(app)?\.com(:[0-9]+)?/api/(v[0-9]+/)?webhooks/.*"
)
_MARKDOWN = re.compile(r"[\\`*_~|<>\[\]()#:@-]")


def is_chat_webhook(url: str) -> bool:
    return bool(_SLACK.fullmatch(url) or _DISCORD.fullmatch(url))


def chat_message(url: str, job: Job, prompt: str, link: str) -> Mapping[str, Any]:
    """The body of a request to a chat webhook; `link` is our own and leads to the job's page."""
    parts = [f"Job {job.status}"]
    for text in (prompt, _reason(job)):
        escaped = _escaped(url, text)
        if escaped:
            parts.append(escaped)
    parts.append(f"<{link}>")
    return _body(url, " · ".join(parts))


def _reason(job: Job) -> str:
    """Why a job has no media; empty if it has."""
    if job.status is Status.MODERATED and job.moderation:
        reasons = ", ".join(job.moderation.reasons)
        return f"{job.moderation.stage}: {reasons}"
    if job.status is not Status.STORED and job.error:
        return job.error.message
    return ""


def chat_warning(url: str, line: str) -> Mapping[str, Any]:
    """The body of a request about no job."""
    return _body(url, _escaped(url, line))


def _escaped(url: str, text: str) -> str:
    """A text shortened, without line breaks, control characters and changes of direction."""
    printable = "".join(_printable_or_space(character) for character in text)
    line = " ".join(printable.split())
    if len(line) > TEXT_MAX_CHARS:
        line = f"{line[: TEXT_MAX_CHARS - 1]}…"
    if _SLACK.fullmatch(url):
        return line.translate(_SLACK_ESCAPES)
    return _MARKDOWN.sub(r"\\\g<0>", line)


def _printable_or_space(character: str) -> str:
    return character if character.isprintable() else " "


def _body(url: str, line: str) -> Mapping[str, Any]:
    if _SLACK.fullmatch(url):
        return {"text": line, "link_names": False, "unfurl_links": False}
    return {"content": line, "allowed_mentions": {"parse": []}}
