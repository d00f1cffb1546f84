"""Every route is open on purpose, or asks for a key with the scope it needs."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from jobs.config.api_keys import SCOPES, Scope
from tests.harness import RedisServer
from tests.harness.parts import web_app

# What anybody may call: it proves who it is in another way, or says nothing of any job.
OPEN = {
    "/webhooks/bfl",
    "/webhooks/bfl/<token>",
    "/media/<token>",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/docs/errors",
    "/login",
    "/assets/<version>/<path:name>",
}
# The least scope that will do.
NEEDED: dict[str, Scope] = {
    "GET /api/events": "read",
    "GET /api/jobs": "read",
    "POST /api/jobs": "submit",
    "DELETE /api/jobs": "admin",
    "POST /api/replays": "admin",
    "POST /api/notifications": "admin",
    "POST /api/rescues": "admin",
    "GET /api/batches/<batch_id>": "admin",
    "GET /api/jobs.zip": "read",
    "DELETE /api/batches/<batch_id>": "admin",
    "POST /api/jobs/<job_id>/repeats": "submit",
    "GET /api/costs": "read",
    "GET /api/budget": "read",
    "GET /api/jobs/<job_id>": "read",
    "PUT /api/jobs/<job_id>": "submit",
    "DELETE /api/jobs/<job_id>": "submit",
    "GET /api/jobs/<job_id>/events": "read",
    "POST /api/jobs/<job_id>/replays": "admin",
    "POST /api/jobs/<job_id>/rescues": "admin",
    "POST /mcp": "read",
    "GET /v1/credits": "read",
    "GET /v1/get_result": "read",
    "POST /v1/<model:model>": "submit",
}
# A page for people sends those who have not logged in to where they can.
REFUSALS = {401, 403, 302, 303}
KEYS = {scope: f"the-key-for-{scope}-tests" for scope in SCOPES}


@pytest.fixture(scope="module")
def app(module_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    media = tmp_path_factory.mktemp("media").as_uri()
    entries = ",".join(f"{scope}:{key}:{scope}" for scope, key in KEYS.items())
    with web_app(API_KEYS=entries, REDIS_URL=module_redis.url, MEDIA_URL=media) as made:
        yield made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def status(client: FlaskClient, method: str, rule: str, key: str = "") -> int:
    path = re.sub(r"<[^>]+>", "nobody", rule)
    headers = {"x-key": key} if key else {}
    with client.open(path, method=method, headers=headers, buffered=False) as answer:
        return answer.status_code


def test_no_route_without_a_guard_is_open_by_mistake(app: Flask, client: FlaskClient) -> None:
    guarded = [
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if rule.rule not in OPEN
    ]
    assert len(guarded) >= len(NEEDED)
    answers = {route: status(client, *route) for route in guarded}
    unguarded = [route for route in guarded if answers[route] not in REFUSALS]
    assert not unguarded, "either guard it by `requires`, or name it in OPEN"
    assert answers == {route: status(client, *route, key="wrong") for route in guarded}
    of_the_api = {f"{method} {rule}" for method, rule in guarded}
    assert {name for name in of_the_api if re.search(r" /(api|v1|mcp)\b", name)} == set(NEEDED)


@pytest.mark.parametrize("route", NEEDED)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_opens_what_its_scope_allows_and_no_more(
    client: FlaskClient, route: str, scope: Scope
) -> None:
    enough = SCOPES.index(scope) >= SCOPES.index(NEEDED[route])
    method, rule = route.split(" ")
    assert (status(client, method, rule, KEYS[scope]) in (401, 403)) is not enough
