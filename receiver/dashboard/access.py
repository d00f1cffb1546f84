"""Access to pages: a session whose key has the scope, and a CSRF token for every change."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from flask import redirect, request
from flask.typing import ResponseReturnValue

from jobs.config.api_keys import Scope
from jobs.errors import Forbidden
from receiver.dashboard import csrf, forms, session
from receiver.dashboard.redirects import login_url

P = ParamSpec("P")
View = Callable[P, ResponseReturnValue]


def requires_scope(
    scope: Scope, form_bytes: int = forms.FORM_MAX_BYTES
) -> Callable[[View[P]], View[P]]:
    """Let a view answer only sessions with at least this scope; a POST also needs a CSRF token.

    Without a session the visitor is redirected to the login page. Raises Forbidden.
    """

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            visitor = session.current_visitor()
            if visitor is None:
                # By GET: a change is not repeated after the login.
                return redirect(login_url(), 303)
            if not visitor.has_scope(scope):
                raise Forbidden(f"This needs a key with scope {scope}.")
            session.renew()
            if request.method == "POST":
                forms.form(form_bytes)
                csrf.check()
            return view(*args, **kwargs)

        return guarded

    return decorate
