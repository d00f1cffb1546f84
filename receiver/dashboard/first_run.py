"""`/start`: how to connect an app, with this installation's own addresses, and a test of it."""

from flask import Blueprint, Response, redirect, render_template, stream_template
from flask.typing import ResponseReturnValue

from receiver.dashboard.guard import changed_by, shown_to
from receiver.dashboard.trial import Trial
from receiver.submissions import reached_at
from receiver.wiring import services, wired

STREAMED = {"X-Accel-Buffering": "no"}

blueprint = Blueprint("first_run", __name__)


@blueprint.get("/start")
@shown_to("read")
def show() -> ResponseReturnValue:
    return page()


def page() -> str:
    """The explanation, for here and wherever there are no jobs to show."""
    parts, settings = services(), services().settings
    return render_template(
        "first_run.html",
        base=reached_at(parts) or settings.base_url,
        unreachable=not settings.bfl_reaches_us,
        sandbox=settings.bfl_origin == settings.bfl_sandbox_url,
    )


@blueprint.get("/start/test")
@shown_to("read")
def before() -> ResponseReturnValue:
    return redirect("/start", 303)


@blueprint.post("/start/test")
@changed_by("admin")
def try_out() -> ResponseReturnValue:
    """A page that is sent as the steps happen: whatever browser shows them as they come."""
    steps = Trial(services(), wired().fanout).steps()
    return Response(stream_template("trial.html", steps=steps), headers=STREAMED)
