"""Server-Sent Events for open pages: those of the API, authenticated by the session."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from receiver.api import events
from receiver.dashboard import session

blueprint = Blueprint("event_stream", __name__)


@blueprint.get("/live", defaults={"job_id": None})
@blueprint.get("/live/<job_id>")
def stream(job_id: str | None) -> ResponseReturnValue:
    """Events of one job or of all; 401 without a session, and the page then reloads itself."""
    return events.stream(job_id) if session.current_visitor() else ("", 401)
