"""Costs: `GET /api/costs`, credits per day, model and key."""

import math
from typing import Annotated

from flask import Blueprint
from pydantic import Field
from typing_extensions import TypedDict

from jobs.domain.errors import Invalid, InvalidField
from jobs.store.costs import DAY_SECONDS, DAYS_MAX, DayView
from receiver.context import current_services
from receiver.ownership import owner
from receiver.schemas.endpoint_spec import EndpointSpec
from receiver.schemas.formats import anchor
from receiver.schemas.query import FILTER_NAME_MAX_CHARS, METADATA, Query, Time

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

    days: Annotated[list[DayView], Field(description="the oldest first")]
    paid_and_not_kept: Unkept


class CostsQuery(Query):
    """Parameters of the costs. A range is one of whole days (UTC), up to today."""

    days: Annotated[
        int, Field(ge=1, le=DAYS_MAX, description="number of days, without `since`")
    ] = DAYS_DEFAULT
    since: Time | None = Field(default=None, description="the first day, by any time of it")
    until: Time | None = Field(default=None, description="the days before this time")
    by: str | None = Field(
        default=None,
        pattern=anchor(rf"{METADATA}\.[\s\S]{{1,{FILTER_NAME_MAX_CHARS}}}"),
        description="sum by the values of a metadata entry, too: metadata.<name>",
    )

    def starts_of_days(self, now: float) -> list[float]:
        """The beginnings of the days in the range, in unix seconds. Raises InvalidField."""
        tomorrow = now // DAY_SECONDS + 1
        until = now if self.until is None else self.until
        end_day = int(min(tomorrow, math.ceil(until / DAY_SECONDS)))
        if self.since is None:
            first_day = end_day - self.days
        else:
            first_day = int(max(self.since, 0.0) // DAY_SECONDS)
        if end_day - first_day > DAYS_MAX:
            raise InvalidField("since", f"give a range of at most {DAYS_MAX} days")
        first_day = max(first_day, 0)
        return [day * DAY_SECONDS for day in range(first_day, end_day)]


@blueprint.get("")
@EndpointSpec(scope="read", query=CostsQuery, responses={200: CostsView}, errors=(Invalid,))
def get_costs() -> CostsView:
    """Credits per day, model and key. With the paid jobs whose media were not kept.

    Each day comes from the books in Redis, or with a database from its rows of ended jobs:
    whichever has more, so that no job counts twice. The books have what is under way and what was
    deleted; the rows have what Redis lost, and what was imported. With `by` all comes from the
    rows. Without a database the books know the last 366 days.
    """
    query = CostsQuery.read()
    daily_costs = current_services().daily_costs
    starts = query.starts_of_days(current_services().store.now())
    if query.by is None:
        days = daily_costs.days(starts, owner())
    else:
        name = query.by.removeprefix(f"{METADATA}.")
        days = daily_costs.days_by(starts, name, owner())
    unkept = current_services().costs.unkept(UNKEPT_IDS_MAX, owner())
    unkept_view: Unkept = {
        "count": unkept.number,
        "jobs": unkept.ids,
        "without_price": unkept.without_price,
    }
    return {"days": days, "paid_and_not_kept": unkept_view}
