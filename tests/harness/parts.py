"""Services in the process of a test, over its own client of Redis."""

from redis import Redis

from jobs.config import settings
from jobs.services import Services
from tests.harness.required_settings import SECRETS


def services_over(redis: Redis, **more: str) -> Services:
    return Services(settings.load(SECRETS | more), redis)
