"""What every process says: a line per event, with the job it is about.

A message that begins with `job %s: ` is about that job; in JSON its id is a field of its own.
"""

import json
import logging
import os
import re
import sys

from jobs import serializer
from jobs.config.settings import Settings
from jobs.observability.redaction import Redaction

ABOUT_A_JOB = "job %s: "
# At DEBUG these write down whole URLs and every Redis command.
QUIET = ("urllib3", "requests", "PIL", "sentry_sdk")

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def set_up(settings: Settings, process: str) -> None:
    """From now on this process says everything in one shape, on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(settings, process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def formatter(settings: Settings, process: str) -> logging.Formatter:
    """JSON for machines; text where a terminal listens, or LOG_FORMAT asks for it."""
    kind = settings.log_format
    if kind == "auto":
        kind = "text" if sys.stderr.isatty() else "json"
    redacted = Redaction.of(settings)
    return Json(process, redacted) if kind == "json" else Text(redacted)


class Text(logging.Formatter):
    """For people: the time of this place, and tracebacks over several lines."""

    def __init__(self, redacted: Redaction) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._redacted = redacted

    def format(self, record: logging.LogRecord) -> str:
        return self._redacted(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging calls it so
        """A message is one line, whatever somebody else had a part in."""
        record.message = _one_line(record.message)
        return super().formatMessage(record)


class Json(logging.Formatter):
    """For machines: an object per line."""

    def __init__(self, process: str, redacted: Redaction) -> None:
        super().__init__()
        self._process = process
        self._redacted = redacted

    def format(self, record: logging.LogRecord) -> str:
        job, message = _parted(record)
        event = {
            "time": serializer.time(record.created),
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": os.getpid(),
            "logger": record.name,
            **({"job": job} if job else {}),
            "message": self._redacted(message),
        }
        if record.exc_info and record.exc_info[0]:
            event["error"] = record.exc_info[0].__name__
            event["traceback"] = self._redacted(self.formatException(record.exc_info))
        return json.dumps(event)


def _parted(record: logging.LogRecord) -> tuple[str | None, str]:
    """The job a message is about, and what it says of it."""
    message = record.getMessage()
    if isinstance(record.msg, str) and record.msg.startswith(ABOUT_A_JOB):
        job, _, said = message.removeprefix("job ").partition(": ")
        return job, said
    return None, message


def _one_line(text: str) -> str:
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)
