"""`/start`: how to connect an app to this installation, and a test of all its parts."""

from flask import Blueprint, Response, redirect, render_template, stream_template
from flask.typing import ResponseReturnValue

from jobs.domain.errors import Forbidden
from receiver import checks
from receiver.checks.context import Context
from receiver.context import current_services
from receiver.dashboard.session import requires_scope
from receiver.ownership import owner

STREAMED = {"X-Accel-Buffering": "no"}

blueprint = Blueprint("start", __name__)


@blueprint.get("/start")
@requires_scope("read")
def show() -> ResponseReturnValue:
    return page()


def page() -> str:
    """The page, which the gallery also shows while there are no jobs."""
    is_unreachable = not current_services().settings.bfl_reaches_us
    return render_template(
        "start.html", base=current_services().base_url(), is_unreachable=is_unreachable
    )


@blueprint.get("/start/test")
@requires_scope("read")
def redirect_to_start() -> ResponseReturnValue:
    return redirect("/start", 303)


@blueprint.post("/start/test")
@requires_scope("admin")
def run_checks() -> ResponseReturnValue:
    """Run all checks, also the test callbacks, and stream each result to the page."""
    if owner():
        raise Forbidden("This tests the whole installation: it needs a key that sees all jobs.")
    context = Context(current_services().settings, current_services())
    return Response(
        stream_template("check_results.html", results=checks.run(context)), headers=STREAMED
    )
