"""The stream of changes for pages that are open: the API's own, behind a session."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from receiver.api import events
from receiver.dashboard import session

blueprint = Blueprint("live", __name__)


@blueprint.get("/live", defaults={"job_id": None})
@blueprint.get("/live/<job_id>")
def stream(job_id: str | None) -> ResponseReturnValue:
    """Of all jobs or of one; a browser that gets no stream looks at the page again."""
    return events.endless_stream(job_id) if session.visitor() else ("", 401)
