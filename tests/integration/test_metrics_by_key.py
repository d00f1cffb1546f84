"""`/metrics` has figures by key only for keys that may see them."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from jobs.services import Services
from receiver import context
from tests.harness import RedisServer
from tests.harness.parts import web_app
from tests.harness.required_settings import SECRETS

KEYS = {
    "boss": "the-key-of-the-operator:admin",
    "ours": "the-key-of-our-team-1:admin:own:budget=40/day",
    "theirs": "the-key-of-their-team:submit:own:budget=70/day",
    "plain": "the-key-of-a-plain-app:submit:budget=90/day",
    "reader": "the-key-of-a-reader-12:read",
}
NAMES = ("ours", "theirs", "plain")
COSTS = {"ours": 1.0, "theirs": 2.0, "plain": 4.0}
MODEL = "flux-2-pro"
Figures = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def app(module_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    media = tmp_path_factory.mktemp("media").as_uri()
    keys = ",".join(f"{name}:{rest}" for name, rest in KEYS.items())
    with web_app(REDIS_URL=module_redis.url, MEDIA_URL=media, API_KEYS=keys) as made:
        for name, cost in COSTS.items():
            add_a_paid_job(made, name, cost)
        yield made


def key_of(name: str) -> str:
    return KEYS[name].partition(":")[0]


def add_a_paid_job(app: Flask, name: str, cost: float) -> None:
    client = app.test_client()
    path = f"/api/jobs/task-of-{name}"
    announced = client.put(path, json={"model": MODEL}, headers={"x-key": key_of(name)})
    assert announced.status_code == 201
    report = {"id": f"task-of-{name}", "status": "Error", "cost": cost}
    secret = {"X-Webhook-Secret": SECRETS["WEBHOOK_SECRET"]}
    assert client.post("/webhooks/bfl", json=report, headers=secret).status_code == 200


def figures(app: Flask, **headers: str) -> Figures:
    """Values by metric and key."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = app.test_client().get("/metrics", headers=named)
    assert answer.status_code == 200
    found: Figures = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if "key" in sample.labels:
                found.setdefault(sample.name, {})[sample.labels["key"]] = sample.value
    return found


def test_strangers_see_sums_and_no_name(app: Flask) -> None:
    text = app.test_client().get("/metrics").text
    assert not [name for name in NAMES if name in text]
    found = figures(app)
    assert found["fluxkeep_credits_today"] == {"": sum(COSTS.values())}
    assert "fluxkeep_budget_left" not in found
    basic = figures(app, Authorization="Basic b3Vyczp4")  # for a proxy in front of us
    assert basic == found


@pytest.mark.parametrize("name", ["theirs", "plain", "reader"])
def test_a_key_without_scope_admin_sees_what_strangers_see(app: Flask, name: str) -> None:
    assert figures(app, x_key=key_of(name)) == figures(app)


@pytest.mark.parametrize("header", ["x_key", "Authorization"])
def test_a_key_of_scope_admin_sees_the_figures_of_all_keys(app: Flask, header: str) -> None:
    prefix = "Bearer " if header == "Authorization" else ""
    found = figures(app, **{header: prefix + key_of("boss")})
    assert found["fluxkeep_credits_today"] == COSTS
    assert found["fluxkeep_budget_left"].keys() == set(NAMES)


def test_an_own_key_of_scope_admin_sees_its_own_figures(app: Flask) -> None:
    found = figures(app, x_key=key_of("ours"))
    assert found["fluxkeep_credits_today"] == {"ours": 1.0, "": 6.0}
    assert found["fluxkeep_budget_left"].keys() == {"ours"}
    text = app.test_client().get("/metrics", headers={"x-key": key_of("ours")}).text
    assert "theirs" not in text and "plain" not in text


def test_a_pause_of_an_account_names_its_key_to_keys_that_may_see_it(app: Flask) -> None:
    parts: context.Parts = app.extensions[context.NAME]
    queue = parts.get(Services).submission_queue
    queue.open_circuit(f"{MODEL}@theirs", "BFL refuses the key in BFL_API_KEY_THEIRS", 60)

    def pages(**headers: Any) -> str:
        return app.test_client().get("/metrics", headers=headers).text.casefold()

    assert "theirs" in pages(**{"x-key": key_of("boss")})
    for page in (pages(), pages(**{"x-key": key_of("ours")})):
        assert "theirs" not in page and f'submitting_paused{{model="{MODEL}"' in page


def test_a_wrong_key_is_refused(app: Flask) -> None:
    answer = app.test_client().get("/metrics", headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
