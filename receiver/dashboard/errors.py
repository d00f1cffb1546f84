"""Errors as pages with a way back, for the dashboard and for browsers on any other path."""

from http import HTTPStatus

from flask import Blueprint, Flask, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from jobs.errors import FluxkeepError, Unauthorized
from receiver import problem_details
from receiver.dashboard import navigation
from receiver.dashboard.access import redirect_to_login
from receiver.dashboard.security_headers import SecurityHeaders

PROBLEM = "application/problem+json"
API_PATHS = ("/api/", "/v1/", "/webhooks/")


def install(app: Flask, dashboard: Blueprint, headers: SecurityHeaders) -> None:
    dashboard.register_error_handler(FluxkeepError, _known_error)
    dashboard.register_error_handler(HTTPException, _http_error)
    dashboard.register_error_handler(Exception, _unexpected_error)

    @app.after_request
    def page_for_browsers(response: Response) -> Response:
        """Answer a browser with a page instead of problem details, except on API paths."""
        if response.mimetype != PROBLEM or not _prefers_html():
            return response
        page = _page(HTTPStatus(response.status_code), response.get_json()["detail"])
        for name, value in response.headers.items():
            if name not in ("Content-Type", "Content-Length"):
                page.headers[name] = value
        page.vary.add("Accept")
        return headers.apply(page)


def _prefers_html() -> bool:
    """Whether a person follows a link; programs send no Accept header or `*/*`."""
    accepted = request.accept_mimetypes
    return not request.path.startswith(API_PATHS) and (
        accepted.quality("text/html") > accepted.quality(PROBLEM)
    )


def _known_error(error: FluxkeepError) -> ResponseReturnValue:
    if isinstance(error, Unauthorized):
        return redirect_to_login()
    return _page(problem_details.STATUS[type(error)], str(error))


def _http_error(error: HTTPException) -> ResponseReturnValue:
    page = _page(HTTPStatus(error.code or 500), error.description or "")
    return problem_details.with_headers(page, error)


def _unexpected_error(error: Exception) -> ResponseReturnValue:
    problem = problem_details.unexpected_error(error)
    return _page(HTTPStatus(problem.status_code), "An unexpected error occurred.")


def _page(status: HTTPStatus, detail: str) -> Response:
    page = render_template("error.html", status=status, detail=detail, **navigation.context())
    response = make_response(page, status)
    response.headers.update(problem_details.HEADERS.get(status, {}))
    return response
