"""Liveness of this process, readiness and metrics of the installation."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST

from receiver.checks import ReadinessResults
from receiver.checks.redis import MEMORY
from receiver.checks.result import Grade, Result
from receiver.context import part
from receiver.metrics import MetricsText
from receiver.openapi import examples
from receiver.schemas.endpoint import EndpointSpec, ResponseSpec, Tag
from receiver.schemas.responses import Readiness

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@EndpointSpec(
    summary="Liveness",
    tag=Tag.OPERATION,
    responses={200: ResponseSpec("The process answers.", dict[str, str], example={"status": "ok"})},
    uses_redis=False,
)
def is_alive() -> ResponseReturnValue:
    """Liveness of this process, for load balancers."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@EndpointSpec(
    summary="Readiness",
    tag=Tag.OPERATION,
    responses={
        200: ResponseSpec("No check failed.", Readiness, example=examples.READY),
        503: ResponseSpec("A check failed.", Readiness, example=examples.NOT_READY),
    },
    uses_redis=False,
)
def is_ready() -> ResponseReturnValue:
    """503 as long as a check fails; each check is `ok` or the reason of its failure."""
    results = part(ReadinessResults).get()
    ready = all(result.ok for result in results)
    checks = {result.name: result.why if _is_shown(result) else "ok" for result in results}
    return {"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503


def _is_shown(result: Result) -> bool:
    """Warnings about settings are not public: this endpoint needs no key."""
    return not result.ok or (result.name == MEMORY and result.grade is Grade.WARNING)


@blueprint.get("/metrics")
@EndpointSpec(
    summary="Metrics for Prometheus",
    tag=Tag.OPERATION,
    responses={200: ResponseSpec("The text format of Prometheus.", content_types=("text/plain",))},
)
def get_metrics() -> Response:
    """Totals of all processes; requests at the same time share one reading of Redis."""
    return Response(part(MetricsText).get(), content_type=CONTENT_TYPE_LATEST)
