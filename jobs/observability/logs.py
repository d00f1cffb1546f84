"""Log formatters: text or JSON, one line per record, secrets redacted.

A message that begins with `job %s: ` belongs to that job: JSON has its id as a field.
"""

import json
import logging
import os
import re
import sys

from jobs.config.settings import Settings
from jobs.domain.timestamps import rfc3339
from jobs.observability.redaction import Redaction

JOB_PREFIX = "job %s: "
# At DEBUG these log whole URLs and hosts.
QUIET = ("urllib3", "requests", "PIL", "sentry_sdk", "psycopg")

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure(settings: Settings, process: str) -> None:
    """Send all logs of this process to stderr in one format."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(settings, process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def formatter(settings: Settings, process: str) -> logging.Formatter:
    """Build the formatter of LOG_FORMAT; `auto` is text on a terminal, else JSON."""
    kind = settings.log_format
    if kind == "auto":
        kind = "text" if sys.stderr.isatty() else "json"
    redacted = Redaction(settings)
    if kind == "json":
        return JsonFormatter(process, redacted)
    return TextFormatter(redacted)


class TextFormatter(logging.Formatter):
    """Text with local time; tracebacks take several lines."""

    def __init__(self, redacted: Redaction) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._redacted = redacted

    def format(self, record: logging.LogRecord) -> str:
        return self._redacted(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - name given by logging
        """Escape control characters: a message is one line."""
        record.message = _CONTROLS.sub(_escaped, record.message)
        return super().formatMessage(record)


def _escaped(control: re.Match[str]) -> str:
    """A control character as Python writes it, such as `\\x1b`."""
    quoted = ascii(control[0])
    return quoted[1:-1]


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def __init__(self, process: str, redacted: Redaction) -> None:
        super().__init__()
        self._process = process
        self._redacted = redacted

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        event = {
            "time": rfc3339(record.created),
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": os.getpid(),
            "logger": record.name,
        }
        if isinstance(record.msg, str) and record.msg.startswith(JOB_PREFIX):
            job_id, _, message = message.removeprefix("job ").partition(": ")
            if job_id:
                event["job"] = job_id
        event["message"] = self._redacted(message)
        if record.exc_info and record.exc_info[0]:
            event["error"] = record.exc_info[0].__name__
            event["traceback"] = self._redacted(self.formatException(record.exc_info))
        return json.dumps(event)
