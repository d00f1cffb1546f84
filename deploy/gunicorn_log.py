"""gunicorn logger with the format of all other logs (`LOG_FORMAT`)."""

from typing import Any

from gunicorn.glogging import Logger

from jobs.config import settings
from jobs.observability import logs


class Log(Logger):
    """Formats the error log, and the access log if an operator enables it."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        formatter = logs.formatter(settings.load(), "web")
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(formatter)
