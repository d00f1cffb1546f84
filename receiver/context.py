"""Application state: the services and caches that all views of one process share."""

from dataclasses import dataclass
from typing import Self, cast

from flask import current_app, has_request_context, request
from prometheus_client import generate_latest

from jobs.errors import UrlRefused
from jobs.net.urls import parse
from jobs.services import Services
from receiver import checks
from receiver.account import Account
from receiver.checks.context import Context
from receiver.checks.result import Result
from receiver.feed.broker import Broker
from receiver.feed.job_cache import JobCache
from receiver.metrics import Families
from receiver.shared_value import SharedValue

CHECKS_MAX_AGE_SECONDS = 1.0

NAME = "fluxkeep"  # in the extensions of the Flask application


@dataclass(frozen=True, slots=True)
class AppState:
    """Built once per application, from its settings."""

    services: Services
    broker: Broker
    job_cache: JobCache
    account: Account
    check_results: SharedValue[list[Result]]
    metrics_text: SharedValue[bytes]

    @classmethod
    def build(cls, services: Services) -> Self:
        account = Account(services.bfl)
        return cls(
            services=services,
            broker=Broker(services.events),
            job_cache=JobCache(services),
            account=account,
            check_results=SharedValue(lambda: _check(services, account), CHECKS_MAX_AGE_SECONDS),
            metrics_text=SharedValue(lambda: generate_latest(Families(services))),
        )

    def close(self) -> None:
        """Answer all waiting requests and end all event streams: the process stops."""
        self.broker.close()


def _check(services: Services, account: Account) -> list[Result]:
    context = Context(services.settings, services, account)
    return list(checks.run(context, checks.READINESS_CHECKS))


def app_state() -> AppState:
    """The state of the current Flask application."""
    return cast(AppState, current_app.extensions[NAME])


def services() -> Services:
    return app_state().services


def reader_origin() -> str | None:
    """Our own origin by the Host header of the current request; None without a proper one."""
    try:
        return str(parse(request.host_url).origin) if has_request_context() else None
    except UrlRefused:
        return None
