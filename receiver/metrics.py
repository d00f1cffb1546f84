"""`/metrics` for Prometheus: totals of all processes, as Redis has them."""

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from receiver.context import app_state
from receiver.schemas.endpoint import EndpointSpec, ResponseSpec, Tag

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
@EndpointSpec(
    operation_id="getMetrics",
    summary="Metrics for Prometheus",
    tag=Tag.OPERATION,
    responses={200: ResponseSpec("The text format of Prometheus.", content_types=("text/plain",))},
)
def scrape() -> Response:
    """Totals of all processes; requests at the same time share one reading of Redis."""
    return Response(app_state().metrics_text.get(), content_type=CONTENT_TYPE_LATEST)
