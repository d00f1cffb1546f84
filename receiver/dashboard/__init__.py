"""Dashboard: HTML pages over the same records as the API, behind a login with an API key.

A page is a module with a blueprint, listed in PAGES. `@requires_scope(...)` guards its views, and
redirects to the login without a session. Changes are POST requests from a form with
`{{ csrf_field() }}`; each such path also answers GET, because a login leads back to it.

Styles and scripts are files under static/, linked by `asset(name)`; the Content-Security-Policy
allows nothing inline and nothing from other hosts. static/live.js updates elements with an id and
`data-live` when a job changes; a page sets `live` to "all" or to a job's id,
and its view calls `event_stream.begin_page()` before it reads any job. templates/base.html has
the links of the header.
"""

from flask import Blueprint, Flask

from jobs.services import Services
from receiver.dashboard import (
    api_docs,
    assets,
    errors,
    event_stream,
    gallery,
    health,
    job,
    login,
    selection,
    session,
    start,
    submit,
    template_filters,
)
from receiver.dashboard.security_headers import SecurityHeaders

PAGES = (assets, login, event_stream, gallery, selection, job, health, submit, start, api_docs)


def install(app: Flask, services: Services) -> None:
    """Register the dashboard's pages."""
    session.install(app, services.settings)
    headers = SecurityHeaders(services)
    dashboard = Blueprint("dashboard", __name__, template_folder="templates")
    for page in PAGES:
        dashboard.register_blueprint(page.blueprint)
    dashboard.after_request(headers.apply)
    errors.install(app, headers)
    template_filters.install(app)
    app.register_blueprint(dashboard)
