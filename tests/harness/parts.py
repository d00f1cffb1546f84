"""Services for what a test asks Redis itself, over a client of its own."""

from redis import Redis

from jobs.config import settings
from jobs.services import Services
from tests.harness.required_settings import SECRETS


def services_over(redis: Redis) -> Services:
    return Services(settings.load(SECRETS), redis)
