"""Builds the services and caches that all views of one process share."""

from collections.abc import Iterator

from jobs.services import Services
from receiver import checks, metrics
from receiver.bfl_account import Account
from receiver.dashboard.health_numbers import HealthNumbers
from receiver.feed.broker import Broker
from receiver.feed.sse import MessageCache


def build(services: Services) -> Iterator[object]:
    """The parts of the application, one of each type."""
    account = Account(services.bfl_clients)
    yield services
    yield account
    yield Broker(services.events)
    yield MessageCache(services)
    yield checks.ReadinessResults(services, account)
    yield metrics.MetricsText(services, account)
    yield HealthNumbers(services)
