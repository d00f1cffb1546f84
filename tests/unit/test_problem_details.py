"""Problem details: the table of errors and statuses is complete."""

import ast
import inspect
from functools import cache
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

import jobs
import receiver
from jobs.domain import errors
from jobs.domain.errors import FluxkeepError
from receiver import problem_details
from receiver.problem_types import PROBLEM_TYPES

# Where they are raised somebody catches them, or they stop the start: no view lets them through.
CAUGHT = {
    errors.InvalidSettings,
    errors.Evicted,
    errors.UnknownToRedis,
    errors.UrlRefused,
    errors.UnknownHost,
    errors.ReportRefused,
    errors.ForeignObject,
    errors.BflUnavailable,
    errors.BflKeyRefused,
}
# What views call.
CALLED = (
    *("parsing", "hosts", "urls", "ingest", "rq_queue", "codec", "signing", "job_store"),
    *("strict_json", "clock", "bucket", "local", "base", "staging", "errors"),
)


@cache
def all_errors() -> dict[str, type[FluxkeepError]]:
    """All error classes, in the order of their definition."""
    found = {
        name: error
        for name, error in vars(errors).items()
        if isinstance(error, type) and issubclass(error, FluxkeepError)
    }
    return dict(sorted(found.items(), key=lambda pair: inspect.getsourcelines(pair[1])[1]))


def of_the_caller() -> list[type[FluxkeepError]]:
    """The error classes for mistakes of callers."""
    source = inspect.getsource(errors)
    begin = source.index("# Errors of the caller.")
    end = source.index("# Errors that may pass")
    return [
        error
        for name, error in all_errors().items()
        if begin < source.index(f"class {name}(") < end
    ]


@cache
def of_the_views() -> set[type[FluxkeepError]]:
    """Fluxkeep's errors that views raise by name."""
    files = [
        *Path(str(receiver.__file__)).parent.rglob("*.py"),
        *(path for path in Path(str(jobs.__file__)).parent.rglob("*.py") if path.stem in CALLED),
    ]
    found = set()
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text()))):
        if isinstance(node, ast.Raise) and node.exc:
            name = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            found |= {name.id} & all_errors().keys() if isinstance(name, ast.Name) else set()
    return {all_errors()[name] for name in found} - CAUGHT


def test_everything_a_view_can_raise_has_a_row() -> None:
    assert {errors.StoreUnavailable, errors.StorageError, errors.InvalidReport} <= of_the_views()
    assert not of_the_views() - set(problem_details.STATUS)
    assert len(of_the_caller()) >= 10
    assert all(400 <= problem_details.STATUS[error] < 500 for error in of_the_caller())


def test_the_docstring_of_every_error_is_its_message() -> None:
    for name, error in all_errors().items():
        assert error.__doc__, name
        if error in (errors.Invalid, errors.InvalidField, errors.UnknownHost):
            continue  # their messages name the field or the host
        made = error()
        assert str(made) == " ".join(error.__doc__.split())
        assert "\n" not in str(made)


@pytest.fixture
def an_app_whose_views_fail() -> FlaskClient:
    """GET /<name> raises the error of that name, or an unexpected one."""
    app = Flask("failing")
    problem_details.register(app)

    @app.get("/<name>")
    def fail(name: str) -> str:
        if name == "Invalid":
            raise errors.Invalid([{"field": "model", "message": "too long"}])
        if name == "InvalidField":
            raise errors.InvalidField("limit", "too large")
        if name in all_errors():
            raise all_errors()[name]("the sentence")
        raise ValueError("canary")

    return app.test_client()


@pytest.mark.parametrize("error", problem_details.STATUS, ids=lambda error: error.__name__)
def test_each_row_becomes_a_problem_document(
    an_app_whose_views_fail: FlaskClient, error: type[FluxkeepError]
) -> None:
    answer = an_app_whose_views_fail.get(f"/{error.__name__}")
    status = problem_details.STATUS[error]
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    document = answer.get_json()
    assert (document["status"], document["title"]) == (status, status.phrase)
    code = PROBLEM_TYPES[error].code
    assert (document["code"], document["type"]) == (code, f"/docs/errors#{code}")
    sentences = {errors.Invalid: "model: Too long.", errors.InvalidField: "limit: Too large."}
    expected = sentences.get(error, "The sentence.")
    if issubclass(error, errors.StoreUnavailable | errors.StorageError):
        expected = f"{errors.message_of(error)} The sentence."
    assert document["detail"] == expected
    if error in sentences:
        field, _, message = expected.partition(": ")
        assert document["errors"] == [{"field": field, "message": message}]
    if error is errors.Unauthorized:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    if error in (errors.StoreUnavailable, errors.StorageError):
        assert int(answer.headers["Retry-After"]) > 0


def test_an_unexpected_error_is_a_500_without_details(
    an_app_whose_views_fail: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = an_app_whose_views_fail.get("/unforeseen")
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert answer.content_type == "application/problem+json"
    assert "canary" not in answer.get_data(as_text=True) + caplog.text
    assert "ValueError" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/x", 405), ("GET", "/a/b", 404), ("PUT", "/x", 405)]
)
def test_refusals_of_the_framework_are_problems_too(
    an_app_whose_views_fail: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = an_app_whose_views_fail.open(path, method=method)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert ("Allow" in answer.headers) is (status == 405)
