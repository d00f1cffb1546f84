"""Logging of a background process, by its settings."""

import logging

from jobs.settings import Settings

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up(settings: Settings) -> None:
    logging.basicConfig(level=settings.log_level, format=FORMAT)
    # At DEBUG these write down whole URLs and every Redis command.
    for name in ("urllib3", "requests", "PIL"):
        logging.getLogger(name).setLevel(logging.WARNING)
