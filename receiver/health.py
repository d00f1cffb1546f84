"""Whether this process lives, and whether the installation can do its work."""

from collections.abc import Callable

from flask import Blueprint
from flask.typing import ResponseReturnValue

from jobs.errors import FluxkeepError, StoreUnavailable
from jobs.services import Services
from receiver.wiring import services

SWEEP_SILENT_SECONDS = 30.0
WORKER_SILENT_SECONDS = 60.0

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> ResponseReturnValue:
    return {"status": "ok"}


@blueprint.get("/readyz")
def ready() -> ResponseReturnValue:
    """503 as long as anything is wrong, with a sentence for each part."""
    wired = services()
    answers = {name: _outcome(check, wired) for name, check in CHECKS.items()}
    good = all(answer == "ok" for answer in answers.values())
    return {"status": "ready" if good else "not ready", "checks": answers}, 200 if good else 503


def _outcome(check: Callable[[Services], None], wired: Services) -> str:
    try:
        check(wired)
    except FluxkeepError as error:
        return str(error)
    return "ok"


def _redis(wired: Services) -> None:
    wired.store.ping()


def _storage(wired: Services) -> None:
    wired.media.check()


def _sweep(wired: Services) -> None:
    _fresh(wired, "sweep", SWEEP_SILENT_SECONDS)


def _worker(wired: Services) -> None:
    _fresh(wired, "worker", WORKER_SILENT_SECONDS)


def _fresh(wired: Services, process: str, limit: float) -> None:
    age = wired.store.seen().get(process)
    if age is None:
        raise StoreUnavailable(f"no {process} process has been seen")
    if age > limit:
        raise StoreUnavailable(f"the {process} process was last seen {age:.0f} s ago")


CHECKS = {"redis": _redis, "storage": _storage, "sweep": _sweep, "worker": _worker}
