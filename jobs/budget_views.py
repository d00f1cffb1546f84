"""Public JSON of the budgets of an API key."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from jobs.domain.budgets import UNITS_PER_CREDIT, Balance, Period
from jobs.domain.timestamps import rfc3339


class BudgetView(TypedDict):
    """A budget of an API key, in credits."""

    limit: float
    period: Period
    spent: Annotated[float, Field(description="settled or quoted by BFL")]
    reserved: Annotated[float, Field(description="for jobs that BFL has not quoted yet")]
    left: float
    resets_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]


def budget_view(balance: Balance) -> BudgetView:
    return {
        "limit": balance.budget.limit,
        "period": balance.budget.period,
        "spent": balance.spent / UNITS_PER_CREDIT,
        "reserved": balance.reserved / UNITS_PER_CREDIT,
        "left": balance.credits_left,
        "resets_at": rfc3339(balance.resets_at),
    }
