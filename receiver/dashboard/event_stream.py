"""Server-Sent Events for open pages: those of the API, authenticated by the session."""

from flask import Blueprint, g
from flask.typing import ResponseReturnValue

from jobs.domain.errors import StoreUnavailable
from receiver.api import events
from receiver.context import current_services
from receiver.dashboard import session

blueprint = Blueprint("event_stream", __name__)


@blueprint.get("/live", defaults={"job_id": None})
@blueprint.get("/live/<job_id>")
def stream(job_id: str | None) -> ResponseReturnValue:
    """Events of one job or of all; 401 without a session, and the page then reloads itself."""
    g.api_key = session.current_visitor()
    return events.stream(job_id) if g.api_key else ("", 401)


def begin_page() -> None:
    """Remember, before a page reads any job, where its stream begins; empty while Redis is down."""
    try:
        g.since = str(current_services().events.end())
    except StoreUnavailable:
        g.since = ""
