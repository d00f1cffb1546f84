"""The stream of changes for pages that are open: the API's own, behind a session."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from receiver import watching
from receiver.dashboard import session

blueprint = Blueprint("live", __name__)


@blueprint.get("/live")
def of_all() -> ResponseReturnValue:
    return watching.all_changes() if session.visitor() else ("", 401)


@blueprint.get("/live/<job_id>")
def of_one(job_id: str) -> ResponseReturnValue:
    return watching.changes_of(job_id) if session.visitor() else ("", 401)
