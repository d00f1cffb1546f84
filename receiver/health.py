"""Liveness of this process, readiness and metrics of the installation."""

from collections import defaultdict

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST

from jobs.domain.errors import FluxkeepError, RateLimited, Unauthorized
from receiver.auth import authenticate, request_key
from receiver.checks import UNKNOWN, ReadinessResults
from receiver.checks.archive import ARCHIVE, DATABASE
from receiver.checks.bfl import SUBMISSIONS
from receiver.checks.redis import MEMORY
from receiver.checks.result import Grade, Result
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
    """Readiness. 503 as long as a check fails; each check is `ok` or the reason of its failure.

    Names of API keys are shown to keys of scope `admin`.
    """
    is_installation_ready = True
    shows_names = _is_asked_by_administrator()
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for result in part(ReadinessResults).get():
        is_passed = result.ok and result.why != UNKNOWN
        if not is_passed:
            is_installation_ready = False
        reasons_of_check = reasons[result.name]  # also an entry for a check without a reason
        if not is_passed or _is_public_warning(result):
            reasons_of_check.append(result.why if shows_names else result.reason_for_strangers)
    checks: dict[str, str] = {}
    for name, reasons_of_check in reasons.items():
        checks[name] = "ok"
        if reasons_of_check:
            checks[name] = "; ".join(reasons_of_check)
    if is_installation_ready:
        return {"status": "ready", "checks": checks}, 200
    return {"status": "not ready", "checks": checks}, 503


def _is_asked_by_administrator() -> bool:
    """Whether the request has a key of scope `admin`; a probe with a wrong key is answered, too."""
    key = request_key()
    if not key:
        return False
    try:
        return authenticate(key).scope == "admin"
    except FluxkeepError:
        return False


def _is_public_warning(result: Result) -> bool:
    """Whether a warning is shown without a key: those about settings are not."""
    return result.grade is Grade.WARNING and result.name in SHOWN_WARNINGS


@blueprint.get("/metrics")
@EndpointSpec(
    responses={200: ResponseSpec("The text format of Prometheus.", content_types=("text/plain",))},
    errors=(Unauthorized, RateLimited),
)
def get_metrics() -> Response:
    """Metrics for Prometheus. Totals of all processes; figures by key for keys of scope `admin`.

    Without a key, or with another one, simultaneous requests share one reading.
    """
    sent_key = request_key()
    api_key = None
    if sent_key:
        api_key = authenticate(sent_key)
    figures = KeyFigures.for_caller(api_key)
    return Response(part(MetricsText).get(figures), content_type=CONTENT_TYPE_LATEST)
