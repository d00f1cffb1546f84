"""Liveness of this process and readiness of the installation."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from receiver.context import wired
from receiver.openapi import examples
from receiver.schemas.endpoint import Answer, Contract, Tag
from receiver.schemas.responses import Alive, Readiness

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@Contract(
    name="isAlive",
    summary="Liveness",
    tag=Tag.OPERATION,
    answers={200: Answer(what="It lives.", kind=Alive, sample=examples.alive)},
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
        200: Answer(what="All is well.", kind=Readiness, sample=examples.readiness),
        503: Answer(what="Something is wrong.", kind=Readiness, sample=examples.unreadiness),
    },
    uses_redis=False,
)
def ready() -> ResponseReturnValue:
    """503 as long as a check fails; each check is `ok` or the reason why not."""
    results = wired().check_results.get()
    ready = all(result.ok for result in results)
    # Nobody needs a key here, so a warning about a setting stays on the health page.
    checks = {result.name: "ok" if result.ok else result.why for result in results}
    return {"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503
