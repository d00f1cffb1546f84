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
    texts = [text for text in map(_one_line, (prompt, _reason(job))) if text]
    if _SLACK.fullmatch(url):
        line = " · ".join(
            [f"Job {job.status}", *(text.translate(_SLACK_ESCAPES) for text in texts)]
        )
        return {"text": f"{line} · <{link}>", "link_names": False, "unfurl_links": False}
    line = " · ".join([f"Job {job.status}", *(_MARKDOWN.sub(r"\\\g<0>", text) for text in texts)])
    return {"content": f"{line} · <{link}>", "allowed_mentions": {"parse": []}}


def chat_warning(url: str, line: str) -> Mapping[str, Any]:
    """The body of a request about no job."""
    if _SLACK.fullmatch(url):
        return {"text": _one_line(line).translate(_SLACK_ESCAPES), "link_names": False}
    text = _MARKDOWN.sub(r"\\\g<0>", _one_line(line))
    return {"content": text, "allowed_mentions": {"parse": []}}


def _reason(job: Job) -> str:
    """Why a job has no media; empty when it has."""
    if job.moderation and job.status is Status.MODERATED:
        return f"{job.moderation.stage}: {', '.join(job.moderation.reasons)}"
    return job.error.message if job.error and job.status is not Status.STORED else ""


def _one_line(text: str) -> str:
    """A text shortened, without line breaks, control characters and changes of direction."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= TEXT_MAX_CHARS else f"{line[: TEXT_MAX_CHARS - 1]}…"
