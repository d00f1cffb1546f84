"""Costs: `GET /api/costs`, credits per day, model and key."""

from typing import Annotated

from flask import Blueprint
from pydantic import Field
from typing_extensions import TypedDict

from jobs.store.costs import DAYS_MAX, DayView
from receiver.context import services
from receiver.schemas.endpoint_spec import EndpointSpec, ResponseSpec
from receiver.schemas.query import Query

DAYS_DEFAULT = 30
UNKEPT_IDS_MAX = 50

blueprint = Blueprint("costs", __name__, url_prefix="/api/costs")


class Unkept(TypedDict):
    """Jobs on record that BFL billed and whose media were not stored; should be 0."""

    count: int
    jobs: Annotated[list[str], Field(description=f"ids, the latest {UNKEPT_IDS_MAX}")]
    without_price: Annotated[int, Field(description="more jobs, which BFL may have billed")]


class CostsView(TypedDict):
    """Costs by BFL's quotes, corrected by the prices that it settles."""

    days: Annotated[list[DayView], Field(description="the oldest first, today included")]
    paid_and_not_kept: Unkept


class CostsQuery(Query):
    """Parameters of the costs."""

    days: Annotated[int, Field(ge=1, le=DAYS_MAX, description="so many days up to today")] = (
        DAYS_DEFAULT
    )


@blueprint.get("")
@EndpointSpec(
    scope="read", query=CostsQuery, responses={200: ResponseSpec("The costs.", CostsView)}
)
def get_costs() -> CostsView:
    """Credits per day, model and key. With the paid jobs whose media were not kept."""
    count, ids, unknown = services().costs.unkept(UNKEPT_IDS_MAX)
    days = services().costs.days(CostsQuery.read().days)
    unkept: Unkept = {"count": count, "jobs": ids, "without_price": unknown}
    return {"days": days, "paid_and_not_kept": unkept}
