"""Login with an API key or a login link, and logout."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from jobs.domain.errors import Forbidden, InvalidLink, Unauthorized
from jobs.signing import USED_LOGIN_SECONDS, LoginSigner
from receiver.auth import authenticate
from receiver.context import services
from receiver.dashboard import csrf, form_body, session
from receiver.dashboard.session import local_path

blueprint = Blueprint("login", __name__)


@blueprint.get("/login")
def show() -> ResponseReturnValue:
    if session.current_visitor():
        return redirect(local_path(request.args.get("next")), 303)
    return _page()


@blueprint.post("/login")
def log_in() -> ResponseReturnValue:
    """Start a session and redirect to the page asked for; wrong keys count as in the API."""
    try:
        csrf.require_token()
        session.start(authenticate(form_body.form().get("key", "").strip()))
    except Forbidden:
        return _page("The form is too old, or your browser refuses cookies. Try again."), 403
    except Unauthorized:
        return _page("This key is not valid."), 401
    return redirect(local_path(form_body.form().get("next")), 303)


@blueprint.get("/login/<token>")
def log_in_by_link(token: str) -> ResponseReturnValue:
    """Log in by a link that `make run` printed; it works once."""
    if request.method == "HEAD":
        return ""  # a link preview must not use it up
    settings = services().settings
    try:
        login = LoginSigner(settings.secret_key).read(token)
        is_first = services().used_logins.add(login.id, USED_LOGIN_SECONDS)
    except InvalidLink:
        is_first = False
    if not is_first:
        return _page("This link was used before or is too old. Log in with a key."), 403
    key = next((key for key in settings.api_keys if key.name == login.key_name), None)
    if key is None:
        return _page("The key of this link is no longer in API_KEYS."), 403
    session.start(key)
    return redirect("/", 303)


@blueprint.route("/logout", methods=["GET", "POST"])
def log_out() -> ResponseReturnValue:
    """Only the form logs out: a link could come from another site."""
    if request.method == "POST":
        csrf.require_token()
        session.end()
    return redirect(url_for("dashboard.login.show"), 303)


def _page(error: str = "") -> str:
    target = request.args.get("next") if request.method == "GET" else form_body.form().get("next")
    return render_template("login.html", error=error, next=local_path(target))
