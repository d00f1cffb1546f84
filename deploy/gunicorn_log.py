"""gunicorn's own log in the shape of all others."""

from typing import Any

from gunicorn.glogging import Logger

from jobs.config import settings
from jobs.observability import logs


class Log(Logger):
    """Its requests too, should somebody have them logged."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        formatter = logs.formatter(settings.load(), "web")
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(formatter)
