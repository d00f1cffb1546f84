"""Whether this process lives, and whether the installation can do its work."""

from collections.abc import Callable

from flask import Blueprint
from flask.typing import ResponseReturnValue

from jobs import account
from jobs.errors import BflUnavailable, FluxkeepError, StoreUnavailable
from jobs.services import Services
from jobs.slots import EVERYTHING
from receiver import samples
from receiver.answers import Alive, Readiness
from receiver.aside import aside
from receiver.contract import Answer, Contract, Tag
from receiver.wiring import services

SWEEP_SILENT_SECONDS = 30.0
WORKER_SILENT_SECONDS = 60.0
FEW_BYTES = 8
AFTER_REFUSAL_BYTES = 4 * 2**20

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@Contract(
    name="isAlive",
    summary="Liveness",
    tag=Tag.OPERATION,
    answers={200: Answer(what="It lives.", kind=Alive, sample=samples.alive)},
    uses_redis=False,
)
def alive() -> ResponseReturnValue:
    """This process answers. Point a load balancer here."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@Contract(
    name="isReady",
    summary="Readiness",
    tag=Tag.OPERATION,
    answers={
        200: Answer(what="All is well.", kind=Readiness, sample=samples.readiness),
        503: Answer(what="Something is wrong.", kind=Readiness, sample=samples.unreadiness),
    },
    uses_redis=False,
)
def ready() -> ResponseReturnValue:
    """503 as long as anything is wrong, with a sentence for each part."""
    answers = _answers(services())
    good = all(answer == "ok" for answer in answers.values())
    return {"status": "ready" if good else "not ready", "checks": answers}, 200 if good else 503


def _answers(wired: Services) -> dict[str, str]:
    """Without Redis the rest cannot be known, and asking would only take its time."""
    redis = _outcome(_redis, wired)
    checks = CHECKS if redis == "ok" else {"storage": _disk}
    return {"redis": redis} | {name: _outcome(check, wired) for name, check in checks.items()}


def _outcome(check: Callable[[Services], None], wired: Services) -> str:
    try:
        check(wired)
    except FluxkeepError as error:
        return str(error)
    return "ok"


def _redis(wired: Services) -> None:
    wired.pulse.ping()


def _disk(wired: Services) -> None:
    aside(lambda: wired.media.check(FEW_BYTES))


def _storage(wired: Services) -> None:
    """A disk that is full still takes a few bytes, so after a refusal more is tried."""
    refused = wired.pulse.troubles("storage") is not None
    size = AFTER_REFUSAL_BYTES if refused else FEW_BYTES
    aside(lambda: wired.media.check(size))


def _sweep(wired: Services) -> None:
    _fresh(wired, "sweep", SWEEP_SILENT_SECONDS)


def _worker(wired: Services) -> None:
    _fresh(wired, "worker", WORKER_SILENT_SECONDS)


def _submitting(wired: Services) -> None:
    """A pause for everything is trouble, or one for the account's sake; a busy model is not."""
    for pause in wired.slots.pauses() if wired.slots.anybody_waits() else ():
        if pause.scope == EVERYTHING or pause.reason in account.REASONS.values():
            raise BflUnavailable(f"submitting is paused: {pause.reason}")


def _fresh(wired: Services, process: str, limit: float) -> None:
    age = wired.pulse.seen().get(process)
    if age is None:
        raise StoreUnavailable(f"no {process} process has been seen")
    if age > limit:
        raise StoreUnavailable(f"the {process} process was last seen {age:.0f} s ago")


CHECKS = {"storage": _storage, "sweep": _sweep, "worker": _worker, "submitting": _submitting}
