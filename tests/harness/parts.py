"""Services and the application of a web process, in the process of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from jobs.config import settings
from jobs.services import Services, for_web
from receiver import context
from receiver.app import create_app
from tests.harness.required_settings import SECRETS


def services_over(redis: Redis, **more: str) -> Services:
    return Services(settings.load(SECRETS | more), redis)


def api_over(services: Services) -> FlaskClient:
    """The API over the same services, for an administrator."""
    client = create_app(services).test_client()
    client.environ_base["HTTP_X_KEY"] = SECRETS["API_KEYS"].split(":")[1]
    return client


@contextmanager
def web_app(**more: str) -> Iterator[Flask]:
    """The application of a web process with these settings."""
    services = for_web(settings.load(SECRETS | more))
    app = create_app(services)
    yield app
    app.extensions[context.NAME].close()
    if services.archive:
        services.archive.close()
    services.redis.close()
