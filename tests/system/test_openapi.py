"""`/openapi.json` is valid and complete, and what it says is true."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from deploy.procfile import ROOT
from jobs import services
from jobs.config import settings
from jobs.domain.errors import FluxkeepError
from jobs.domain.status import Status
from receiver import create_app, problem_details
from receiver.openapi import VERSION
from tests.harness import RedisServer, Stack, wait_for
from tests.harness.openapi.operations import path
from tests.harness.required_settings import SECRETS

ENVIRONMENT = {
    **SECRETS,
    "PUBLIC_URL": "https://keep.example",
    "NOTIFY_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
ELSEWHERE = ("dashboard.", "mcp.")  # pages, and what agents are told by `tools/list`


@pytest.fixture(scope="module")
def app(module_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    here = {"REDIS_URL": module_redis.url, "MEDIA_URL": tmp_path_factory.mktemp("media").as_uri()}
    return create_app(services.for_web(settings.load(ENVIRONMENT | here)))


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    answer = app.test_client().get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for where, methods in document["paths"].items():
        for method, operation in methods.items():
            yield where, method, operation


def against(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    whole = Resource.from_contents(document, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:document", whole)
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:document#/'))
    validator = OAS31Validator(
        absolute, registry=registry, format_checker=OAS31Validator.FORMAT_CHECKER
    )
    return [error.message for error in validator.iter_errors(value)]


def test_the_document_is_a_valid_one(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_route_but_pages_and_agents_is_in_it(app: Flask, document: dict[str, Any]) -> None:
    routes = {
        (path(rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.endpoint.startswith(ELSEWHERE)
    }
    assert routes == {(where, method) for where, method, _ in operations(document)}


def examples(content: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    for kind, described in content.items():
        if kind != "text/event-stream" and "example" in described:
            yield described["schema"], described["example"]


def test_bodies_have_examples_and_each_is_what_it_shows(document: dict[str, Any]) -> None:
    seen = 0
    for where, method, operation in operations(document):
        bodies = [operation["requestBody"]] if "requestBody" in operation else []
        for body in (*bodies, *operation["responses"].values()):
            for schema, value in examples(body.get("content", {})):
                assert against(document, schema, value) == [], (where, method)
                seen += 1
    assert seen > 20


def test_every_status_that_a_caller_can_see_is_documented(document: dict[str, Any]) -> None:
    described = {
        status for _, _, operation in operations(document) for status in operation["responses"]
    }
    table: dict[type[FluxkeepError], Any] = problem_details.STATUS
    assert {str(int(status)) for status in table.values()} - described <= {"500"}


def test_refusals_are_problem_documents_and_bfls_own_under_v1(document: dict[str, Any]) -> None:
    for where, _, operation in operations(document):
        answers = operation["responses"].items()
        refusals = [answer for status, answer in answers if status.startswith("4")]
        kinds = {kind for refusal in refusals for kind in refusal.get("content", {})} - {
            "text/html"
        }
        wanted = "application/json" if where.startswith("/v1/") else "application/problem+json"
        assert kinds <= {wanted}, where


def test_it_is_served_from_where_the_world_reaches_us(document: dict[str, Any]) -> None:
    assert document["servers"] == [{"url": "https://keep.example"}]


def test_its_version_is_the_projects(document: dict[str, Any]) -> None:
    project = tomllib.loads((Path(ROOT) / "pyproject.toml").read_text())["project"]
    assert document["info"]["version"] == VERSION == project["version"]


def test_the_docs_page_shows_all_of_it(app: Flask, document: dict[str, Any]) -> None:
    answer = app.test_client().get("/docs")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200 and answer.mimetype == "text/html"
    named = [operation["operationId"] for _, _, operation in operations(document)]
    shapes = [name for name, schema in document["components"]["schemas"].items() if schema]
    for name in (*named, *(f"schema-{shape}" for shape in shapes)):
        assert page.count(f'id="{name}"') == 1
    assert re.findall(r'(?:href|src)="#([^"]+)"', page)
    assert all(f'id="{to}"' in page for to in re.findall(r'href="#([^"]+)"', page))
    asked = re.findall(r'<(?:link|script|img)[^>]*(?:href|src)="([^"]+)"', page)
    assert asked and all(where.startswith("/assets/") for where in asked)
    assert "'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/v1/get_result", "/v1/credits"])
def test_bfls_own_paths_are_no_models(app: Flask, path: str) -> None:
    answer = app.test_client().post(path, json={}, headers={"x-key": "admin-key-of-tests"})
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


# Jobs are given up after some seconds, and one alone is active at BFL.
SETTINGS = {"GIVE_UP_AFTER": "6", "CALLBACK_GRACE": "1", "MAX_ACTIVE": "1"}


@pytest.fixture
def jobs_of_every_kind(stack: Stack) -> Stack:
    """Each ends in its own way, or is in the middle of it."""
    stack.generate(samples=2, draft_cache=True)
    stack.generate(outcome="content_moderated", reasons=["Violence"])
    stack.generate(outcome="request_moderated", details_as="null")
    stack.generate(outcome="error")
    stack.generate(life=0.0, resign=False)
    stack.generate(hang=4.0)
    stack.client.put_job("nobody-knows", metadata={"user": "42"}).raise_for_status()
    for _ in range(2):
        stack.client.submit(prompt="slowly", sandbox={"seconds": 30})
    return stack


def test_jobs_in_every_state_are_what_the_document_says(jobs_of_every_kind: Stack) -> None:
    client = jobs_of_every_kind.client
    document = client.get("/openapi.json").json()
    kinds = document["components"]["schemas"]
    seen: set[str] = set()

    def every_state() -> bool:
        page = client.get("/api/jobs").json()
        assert against(document, kinds["JobPage"], page) == []
        fields = {name for job in page["jobs"] for name in job}
        only_sometimes = {"input", "repeats"}
        assert fields | only_sometimes == set(kinds["Job"]["properties"])
        seen.update(job["status"] for job in page["jobs"])
        return seen == {state.value for state in Status}

    wait_for("a job in every state", every_state, 45)
    for job in client.jobs():
        answered = client.get("/v1/get_result", id=job["id"]).json()
        assert against(document, kinds["BflTask"], answered) == []
