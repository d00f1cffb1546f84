"""Checks of an installation: one list for `/readyz`, the health page and `doctor`.

To add a check, write a function `check(context) -> Iterator[Result]` and list it in CHECKS. It may
raise StoreUnavailable and InvalidSettings.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from jobs.domain.errors import InvalidSettings, StoreUnavailable
from jobs.services import Services
from receiver.bfl_account import Account
from receiver.checks import (
    archive,
    bfl,
    callbacks,
    media_links,
    outgoing,
    processes,
    public_url,
    redis,
    settings,
    storage,
)
from receiver.checks.context import Context
from receiver.checks.result import Result, failed, warning
from receiver.shared_value import SharedValue

READINESS_MAX_AGE_SECONDS = 1.0
_REPORT = "This is a defect of Fluxkeep: please report it with the log."
UNKNOWN = "unknown while Redis does not answer"


class Check(NamedTuple):
    """A check and the situations in which it runs."""

    name: str
    run: Callable[[Context], Iterator[Result]]
    needs_redis: bool = False
    before_start: bool = False  # `doctor --release` runs it before any process is started
    on_demand: bool = False  # it calls other hosts or reads many jobs: not for a probe


CHECKS: tuple[Check, ...] = (
    Check("settings", settings.check, before_start=True),
    Check("redis", redis.check, before_start=True),
    Check("redis", redis.check_commands, before_start=True, on_demand=True),
    Check("durability", redis.check_durability, needs_redis=True, before_start=True),
    Check("storage", storage.check, before_start=True),
    Check(media_links.NAME, media_links.check, before_start=True, on_demand=True),
    Check(archive.DATABASE, archive.check, before_start=True),
    Check(archive.DATABASE, archive.check_writable, before_start=True, on_demand=True),
    Check(redis.MEMORY, redis.check_memory, needs_redis=True),
    Check("worker", processes.check_worker, needs_redis=True),
    Check("sweep", processes.check_sweep, needs_redis=True),
    Check("batches", processes.check_batches, needs_redis=True),
    Check("rescues", processes.check_rescues, needs_redis=True),
    Check("submissions", bfl.check_submissions, needs_redis=True),
    Check("credits", bfl.check_credits, needs_redis=True),
    Check("models", bfl.check_schemas, needs_redis=True),
    Check(callbacks.NAME, callbacks.check, needs_redis=True, on_demand=True),
    Check(storage.LISTING, storage.check_listing, on_demand=True),
    Check(archive.ROWS, archive.check_rows, on_demand=True),
    Check("bfl", bfl.check_account, on_demand=True),
    Check("outgoing", outgoing.check, on_demand=True),
    Check("public_url", public_url.check, on_demand=True),
)
BEFORE_START = tuple(check for check in CHECKS if check.before_start)
READINESS_CHECKS = tuple(check for check in CHECKS if not check.on_demand)


class ReadinessResults(SharedValue[list[Result]]):
    """Results of the checks that need no key to ask for."""

    def __init__(self, services: Services, account: Account) -> None:
        super().__init__(
            lambda: list(run(Context(services.settings, services, account), READINESS_CHECKS)),
            READINESS_MAX_AGE_SECONDS,
        )


def run(context: Context, checks: tuple[Check, ...] = CHECKS) -> Iterator[Result]:
    """Yield each result as soon as it is known. An error in one check does not stop the others."""
    for check in checks:
        unknown = warning(check.name, UNKNOWN, "Check Redis first.")
        if check.needs_redis and not context.redis_answers:
            yield unknown
            continue
        try:
            yield from check.run(context)
        except InvalidSettings as error:
            for problem in error.problems:
                yield settings.invalid(problem)
        except StoreUnavailable:
            yield unknown
        except Exception as error:  # noqa: BLE001 - an answer about all others is worth more
            # Its text is not shown: it may hold secrets.
            yield failed(check.name, f"the check met an unexpected {type(error).__name__}", _REPORT)
