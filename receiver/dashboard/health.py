"""`GET /health`: the checks, the current numbers, and what jobs cost."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from receiver.checks import ReadinessResults
from receiver.checks.result import Result
from receiver.context import current_services, part
from receiver.dashboard.health_numbers import HealthNumbers, read_numbers
from receiver.dashboard.session import requires_scope
from receiver.ownership import owner

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
@requires_scope("read")
def show() -> ResponseReturnValue:
    """503 without Redis; the page then shows the checks alone.

    A visitor who sees only the jobs of one key reads which checks failed, without the numbers of
    other jobs that the results have.
    """
    key = owner()
    results = part(ReadinessResults).get()
    if key is None:
        numbers = part(HealthNumbers).get()
    else:
        numbers = read_numbers(current_services(), key)
        results = [_without_details(result) for result in results]
    page = render_template("health.html", numbers=numbers, results=results)
    if not numbers:
        return page, 503, {"Retry-After": "5"}
    return page


def _without_details(result: Result) -> Result:
    return result._replace(why=result.grade.lower(), remedy="")
