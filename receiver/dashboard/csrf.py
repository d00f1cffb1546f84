"""CSRF protection: each form sends back a token of the session and must come from this origin."""

import hmac
import secrets

from flask import request, session
from markupsafe import Markup

from jobs.domain.errors import Forbidden
from receiver.dashboard import form_body

FIELD = "csrf_token"

_SESSION_FIELD = "csrf"


def token() -> str:
    """The token of the current session; a session without one gets one."""
    if _SESSION_FIELD not in session:
        session.permanent = True
        session[_SESSION_FIELD] = secrets.token_urlsafe(24)
    return str(session[_SESSION_FIELD])


def hidden_field() -> Markup:
    """The hidden field that every form needs."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, token())


def require_token() -> None:
    """Raises Forbidden for a request that another site may have sent."""
    given = form_body.form().get(FIELD, "")
    is_known = hmac.compare_digest(given.encode("utf-8", "replace"), token().encode())
    # Old browsers do not say which site sent the request.
    is_ours = request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    if not (is_known and is_ours):
        raise Forbidden(
            "The form is too old, or it was sent from another site. Go back and try again."
        )
