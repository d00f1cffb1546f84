"""Budget: `GET /api/budget`, what the key of the request may still spend."""

from typing import Annotated

from flask import Blueprint
from pydantic import Field
from typing_extensions import TypedDict

from jobs.budget_views import BudgetView, budget_view
from jobs.services import Services
from receiver.auth import current_key_name
from receiver.context import current_services
from receiver.schemas.endpoint_spec import EndpointSpec

blueprint = Blueprint("budget", __name__, url_prefix="/api/budget")


class KeyBudgets(TypedDict):
    """The budgets of an API key in their present periods (UTC)."""

    key: Annotated[str, Field(description="its name")]
    budgets: list[BudgetView]


@blueprint.get("")
@EndpointSpec(scope="read", responses={200: KeyBudgets})
def get_budget() -> KeyBudgets:
    """Budgets of this key, with the credits left in each. An empty list without a budget."""
    return key_budgets(current_services())


def key_budgets(services: Services) -> KeyBudgets:
    """The budgets of the key or session of this request. Raises StoreUnavailable."""
    key_name = current_key_name() or ""
    budget_views = [budget_view(balance) for balance in services.budgets.balances(key_name)]
    return {"key": key_name, "budgets": budget_views}
