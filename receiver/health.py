"""Liveness of this process, readiness and metrics of the installation."""

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST

from jobs.domain.errors import RateLimited, Unauthorized
from receiver.auth import authenticate, request_key
from receiver.checks import UNKNOWN, ReadinessResults
from receiver.checks.archive import ARCHIVE, DATABASE
from receiver.checks.bfl import SUBMISSIONS
from receiver.checks.redis import MEMORY
from receiver.checks.result import Grade
from receiver.checks.storage import NAME as STORAGE
from receiver.context import part
from receiver.metrics import KeyFigures, MetricsText
from receiver.schemas.endpoint_spec import EndpointSpec, ResponseSpec
from receiver.schemas.responses import Readiness

SHOWN_WARNINGS = (MEMORY, DATABASE, ARCHIVE, SUBMISSIONS, STORAGE)

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@EndpointSpec(
    responses={200: ResponseSpec("The process answers.", dict[str, str])}, uses_redis=False
)
def is_alive() -> ResponseReturnValue:
    """Liveness. For load balancers."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@EndpointSpec(responses={200: Readiness, 503: Readiness}, uses_redis=False)
def is_ready() -> ResponseReturnValue:
    """Readiness. 503 as long as a check fails; each check is `ok` or the reason of its failure."""
    results = part(ReadinessResults).get()
    wrong = [result for result in results if not result.ok or result.why == UNKNOWN]
    ready = not wrong
    reasons: dict[str, list[str]] = {result.name: [] for result in results}
    for result in results:
        # Warnings about settings are not public: this endpoint needs no key.
        shown = result.name in SHOWN_WARNINGS and result.grade is Grade.WARNING
        if shown or result in wrong:
            reasons[result.name].append(result.why)
    checks = {name: "; ".join(texts) if texts else "ok" for name, texts in reasons.items()}
    return {"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503


@blueprint.get("/metrics")
@EndpointSpec(
    responses={200: ResponseSpec("The text format of Prometheus.", content_types=("text/plain",))},
    errors=(Unauthorized, RateLimited),
)
def get_metrics() -> Response:
    """Metrics for Prometheus. Totals of all processes; figures by key for keys of scope `admin`.

    Without a key, or with another one, simultaneous requests share one reading.
    """
    key = request_key()
    figures = KeyFigures.of(authenticate(key) if key else None)
    return Response(part(MetricsText).get(figures), content_type=CONTENT_TYPE_LATEST)
