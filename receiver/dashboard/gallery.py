"""`GET /`: the jobs, newest first, as pictures or as a list."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from receiver.dashboard.guard import shown_to

blueprint = Blueprint("gallery", __name__)


@blueprint.get("/")
@shown_to("read")
def show() -> ResponseReturnValue:
    return render_template("gallery.html")
