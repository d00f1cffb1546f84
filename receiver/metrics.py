"""`/metrics` for Prometheus, read from Redis at each scrape: totals of all processes."""

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from receiver.context import services
from receiver.metric_families import Families
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
    """Totals of all processes, read from Redis at each scrape."""
    registry = CollectorRegistry()
    registry.register(Families(services()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
