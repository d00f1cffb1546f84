"""Errors as pages for people; to a script that renews a part of a page, their status is enough."""

from http import HTTPStatus

from flask import Blueprint, Response, make_response, render_template
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from jobs.errors import FluxkeepError, Unauthorized
from receiver import problem_details
from receiver.dashboard.access import to_login


def handle(dashboard: Blueprint) -> None:
    dashboard.register_error_handler(FluxkeepError, _ours)
    dashboard.register_error_handler(HTTPException, _of_http)
    dashboard.register_error_handler(Exception, _unforeseen)


def _ours(error: FluxkeepError) -> ResponseReturnValue:
    if isinstance(error, Unauthorized):
        return to_login()
    return _page(problem_details.STATUS[type(error)], str(error))


def _of_http(error: HTTPException) -> ResponseReturnValue:
    return problem_details.with_headers(
        _page(HTTPStatus(error.code or 500), error.description or ""), error
    )


def _unforeseen(error: Exception) -> ResponseReturnValue:
    problem = problem_details.unexpected_error(error)
    return _page(HTTPStatus(problem.status_code), "An unexpected error occurred.")


def _page(status: HTTPStatus, detail: str) -> Response:
    response = make_response(render_template("problem.html", status=status, detail=detail))
    response.status_code = status
    response.headers.update(problem_details.HEADERS.get(status, {}))
    return response
