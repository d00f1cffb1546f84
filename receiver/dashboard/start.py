"""`/start`: how to connect an app to this installation."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from receiver.api.bfl_compat import base_url
from receiver.context import services
from receiver.dashboard.access import requires_scope

blueprint = Blueprint("start", __name__)


@blueprint.get("/start")
@requires_scope("read")
def show() -> ResponseReturnValue:
    return page()


def page() -> str:
    """The page, which the gallery also shows while there are no jobs."""
    is_unreachable = not services().settings.bfl_reaches_us
    return render_template("start.html", base=base_url(), is_unreachable=is_unreachable)
