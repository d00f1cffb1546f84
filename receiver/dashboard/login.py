"""Login with an API key or a login link, and logout."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from jobs.domain.errors import Forbidden, InvalidLink, Unauthorized
from jobs.signing import USED_LOGIN_SECONDS, LoginSigner, LoginToken
from receiver.auth import authenticate
from receiver.context import current_services
from receiver.dashboard import csrf, form_body, session
from receiver.dashboard.session import local_path

OLD_FORM = "The form is too old, or your browser refuses cookies. Try again."
USED_LINK = "This link was used before or is too old. Log in with a key."

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
        return _page(OLD_FORM), 403
    except Unauthorized:
        return _page("This key is not valid."), 401
    return redirect(local_path(form_body.form().get("next")), 303)


@blueprint.get("/login/<token>")
def show_link(token: str) -> ResponseReturnValue:
    """Show the button of a login link. Previews and browsers that prefetch ask for links, too."""
    try:
        login = _read_link(token)
    except InvalidLink:
        return _page(USED_LINK), 403
    if login.id in current_services().used_logins:
        return _page(USED_LINK), 403
    return _link_page(login.key_name)


@blueprint.post("/login/<token>")
def log_in_by_link(token: str) -> ResponseReturnValue:
    """Log in by a link that `make run` printed; it works once."""
    try:
        login = _read_link(token)
    except InvalidLink:
        return _page(USED_LINK), 403
    try:
        csrf.require_token()
    except Forbidden:
        return _link_page(login.key_name, OLD_FORM), 403
    if not current_services().used_logins.add(login.id, USED_LOGIN_SECONDS):
        return _page(USED_LINK), 403
    api_keys = current_services().settings.api_keys
    key = next((key for key in api_keys if key.name == login.key_name), None)
    if key is None:
        return _page("The key of this link is no longer in API_KEYS."), 403
    session.start(key)
    return redirect("/", 303)


def _read_link(token: str) -> LoginToken:
    """Raises InvalidLink."""
    return LoginSigner(current_services().settings.secret_key).read(token)


def _link_page(key_name: str, error: str = "") -> str:
    return render_template("login_link.html", key_name=key_name, error=error)


@blueprint.route("/logout", methods=["GET", "POST"])
def log_out() -> ResponseReturnValue:
    """Only the form logs out: a link could come from another site."""
    if request.method == "POST":
        csrf.require_token()
        session.end()
    return redirect(url_for("dashboard.login.show"), 303)


def _page(error: str = "") -> str:
    if request.method == "GET":
        target = request.args.get("next")
    else:
        target = form_body.form().get("next")
    return render_template("login.html", error=error, next=local_path(target))
