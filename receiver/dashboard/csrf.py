"""CSRF protection: each form sends back a token of the session and must come from this origin."""

import hmac
import secrets

from flask import request, session
from markupsafe import Markup

from jobs.domain.errors import Forbidden
from receiver.dashboard import form_body


def token() -> str:
    """The token of the current session; a session without one gets one."""
    if "csrf" not in session:
        session.permanent = True
        session["csrf"] = secrets.token_urlsafe(24)
    return str(session["csrf"])


def hidden_field() -> Markup:
    """The hidden field that every form needs."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(token())


def require_token() -> None:
    """Raises Forbidden for a request that another site may have sent."""
    sent_token = form_body.form().get("csrf_token", "")
    is_of_session = hmac.compare_digest(sent_token.encode("utf-8", "replace"), token().encode())
    # Old browsers do not say which site sent the request.
    is_ours = request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    if not (is_of_session and is_ours):
        raise Forbidden(
            "The form is too old, or it was sent from another site. Go back and try again."
        )
