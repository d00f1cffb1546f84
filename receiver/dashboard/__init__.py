"""The dashboard: pages for people, over the same records as the API, for who logged in with a key.

To add a page: write a module with a blueprint and list it in PAGES; its address is its route.

    blueprint = Blueprint("health", __name__)

    @blueprint.get("/health")
    @shown_to("read")                       # else: to the login and back, or a page that says why
    def show() -> ResponseReturnValue:
        return render_template("health.html")   # {% extends "base.html" %}, autoescaped

What a page changes is a POST to a `@changed_by(scope)` view, from a form that holds
`{{ forgery_field() }}`; its fields are in `forms.form()`. A script sends the same token, which
stands in `<meta name="forgery">`, as the header `X-Forgery-Token`. The same address by GET must
show a page too: who has to log in first comes back to it.

Scripts and styles are files under static/, asked for by `asset(name)`; nothing inline is let
through, no `style=""` either, and nothing from another host. An element with an id and `data-live`
is renewed in place when a job changes (static/live.js); a page says `{% set live = "all" %}` or
a job's id. A link of the header is an entry of `navigation.LINKS`.
"""

from flask import Blueprint, Flask

from jobs.services import Services
from receiver.dashboard import (
    assets,
    docs,
    errors,
    event_stream,
    filters,
    gallery,
    health,
    job,
    login,
    navigation,
    session,
    start,
    submit,
    theme,
)
from receiver.dashboard.security_headers import Defence

PAGES = (assets, login, theme, event_stream, gallery, job, health, submit, start, docs)


def install(app: Flask, services: Services) -> None:
    """Serve the dashboard beside the API."""
    session.install(app, services.settings)
    parent = Blueprint("dashboard", __name__, template_folder="templates")
    for page in PAGES:
        parent.register_blueprint(page.blueprint)
    parent.after_request(Defence(services).secured)
    parent.context_processor(navigation.context)
    errors.handle(parent)
    filters.install(app)
    health.install(app, services)
    app.register_blueprint(parent)
