"""`/metrics`: exact over several processes, scraped by a real Prometheus, and true to its names."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from deploy.procfile import ROOT
from receiver.metrics import REFUSALS
from tests.harness import WEBHOOK_SECRET, Stack, wait_for
from tests.harness.prometheus import Prometheus, promtool

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "fluxkeep.json"
CALLBACKS = 40
TWICE, FORGED, UNREADABLE = 15, 12, 5
SUFFIXES = ("_bucket", "_sum", "_count")

Samples = dict[str, float]


# Two gunicorn workers take callbacks; nothing is polled. The database has metrics of its own.
SETTINGS = {
    "CALLBACK_GRACE": "600",
    "WEB_CONCURRENCY": "2",
    "DATABASE_URL": "sqlite:///{directory}/archive.db",
}


def page(stack: Stack) -> str:
    """Prometheus has no key."""
    answer = requests.get(f"{stack.installation.url}/metrics", timeout=30)
    assert answer.status_code == requests.codes.ok
    return answer.text


def samples(stack: Stack) -> Samples:
    """Every sample by its name and labels, as `name{label=value,...}`."""
    families = text_string_to_metric_families(page(stack))
    return {
        sample.name
        + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def risen(before: Samples, after: Samples, name: str) -> float:
    return after[name] - before[name]


def posted(stack: Stack, body: bytes, secret: str = WEBHOOK_SECRET) -> int:
    """A connection of its own each time, so that both processes get their share."""
    headers = {"X-Webhook-Secret": secret, "Connection": "close"}
    url = stack.webhook_url
    return requests.post(url, data=body, headers=headers, timeout=30).status_code


def moderated(n: int) -> bytes:
    return json.dumps({"id": f"counted-{n}", "status": "Request Moderated"}).encode()


def test_the_counters_are_exact_with_two_gunicorn_workers(stack: Stack) -> None:
    web = stack.installation.web[0]
    wait_for("both processes", lambda: len(web.children()) == 2)
    before = samples(stack)
    calls = [(moderated(n), WEBHOOK_SECRET) for n in range(CALLBACKS)]
    calls += [(moderated(0), "forged")] * FORGED + [(b"{", WEBHOOK_SECRET)] * UNREADABLE
    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(lambda call: posted(stack, *call), calls))
        again = list(pool.map(lambda n: posted(stack, moderated(n)), range(TWICE)))
    assert answers == [200] * CALLBACKS + [400] * UNREADABLE + [401] * FORGED
    assert again == [200] * TWICE
    after = samples(stack)
    rises = {
        "fluxkeep_callbacks_total outcome=accepted": CALLBACKS,
        "fluxkeep_callbacks_total outcome=duplicate": TWICE,
        "fluxkeep_callbacks_total outcome=refused": FORGED + UNREADABLE,
        "fluxkeep_callbacks_refused_total why=unauthorized": FORGED,
        "fluxkeep_callbacks_refused_total why=malformed": UNREADABLE,
        "fluxkeep_reports_total kind=moderated source=callback": CALLBACKS,
        "fluxkeep_jobs_ended_total source=callback status=moderated": CALLBACKS,
        "fluxkeep_jobs status=moderated": CALLBACKS,
    }
    assert {name: risen(before, after, name) for name in rises} == rises


def test_a_rescue_is_seen_in_both_histograms_and_as_an_end(stack: Stack) -> None:
    before = samples(stack)
    stack.stored(stack.generate())
    after = samples(stack)
    for histogram in ("life_left", "time_to_stored"):
        assert risen(before, after, f"fluxkeep_{histogram}_seconds_count") == 1
    assert 500 < risen(before, after, "fluxkeep_life_left_seconds_sum") < 610
    assert 0 < risen(before, after, "fluxkeep_time_to_stored_seconds_sum") < 300
    assert risen(before, after, "fluxkeep_jobs_ended_total source=callback status=stored") == 1


def test_processes_slots_and_each_refusal_are_metrics(stack: Stack) -> None:
    exposed = samples(stack)
    assert exposed["fluxkeep_redis_up"] == exposed["fluxkeep_workers"] == 1
    assert exposed["fluxkeep_heartbeat_age_seconds process=sweep"] < 30
    assert (exposed["fluxkeep_slots"], exposed["fluxkeep_slots_used"]) == (24, 0)
    assert exposed["fluxkeep_storage_refuses"] == exposed["fluxkeep_notifications_pending"] == 0
    assert all(f"fluxkeep_callbacks_refused_total why={why}" in exposed for why in REFUSALS)


def test_a_waiting_rescue_is_a_metric_with_its_age_and_life(stack: Stack) -> None:
    assert "fluxkeep_urgent_rescue_life_left_seconds" not in samples(stack)
    stack.installation.kill("worker")
    task = stack.generate()
    assert stack.outcomes(task) == [200]
    wait_for("its age", lambda: samples(stack)["fluxkeep_oldest_waiting_rescue_seconds"] > 0)
    exposed = samples(stack)
    assert 500 < exposed["fluxkeep_urgent_rescue_life_left_seconds"] < 610
    assert exposed["fluxkeep_waiting_jobs"] == exposed["fluxkeep_queue_entries"] == 1
    stack.installation.start("worker")
    stack.stored(task)
    assert samples(stack)["fluxkeep_oldest_waiting_rescue_seconds"] == 0


def test_every_metric_of_the_rules_and_the_dashboard_exists(stack: Stack) -> None:
    stack.installation.redis.client().hset(
        "fluxkeep:circuits", "*", '9999999999.000 [0, 1, "tried"]'
    )
    exposed = {family.name for family in text_string_to_metric_families(page(stack))}
    stack.installation.redis.client().delete("fluxkeep:circuits")
    for file in (RULES, DASHBOARD):
        named = set(re.findall(r"\bfluxkeep_\w+", file.read_text()))
        assert len(named) > 10
        for suffix in (*SUFFIXES, "_total"):
            named = {name.removesuffix(suffix) for name in named}
        assert named <= exposed | {"fluxkeep_urgent_rescue_life_left_seconds"}, file
    recorded = set(re.findall(r"record: (\S+)", RULES.read_text()))
    assert set(re.findall(r"\bfluxkeep:\w+:\w+", DASHBOARD.read_text())) <= recorded


@pytest.mark.prometheus
def test_promtool_finds_nothing_wrong_with_the_page(stack: Stack) -> None:
    output = promtool("check", "metrics", given=page(stack))
    assert (output.returncode, output.stdout + output.stderr) == (0, "")


def test_without_redis_the_page_says_so_and_nothing_else(stack: Stack) -> None:
    stack.installation.redis.pause()
    try:
        output = [line for line in page(stack).splitlines() if not line.startswith("#")]
    finally:
        stack.installation.redis.resume()
    assert output == ["fluxkeep_redis_up 0.0"]
    wait_for("Redis", lambda: "fluxkeep_redis_up 1.0" in page(stack))


@pytest.fixture
def prometheus(stack: Stack, tmp_path: Path) -> Iterator[Prometheus]:
    """The configuration we ship, aimed at this installation and in more of a hurry."""
    shipped = RULES.with_name("prometheus.yml").read_text()
    configuration = (
        shipped.replace("127.0.0.1:8000", stack.installation.url.removeprefix("http://"))
        .replace("15s", "1s")
        .replace("rules.yml", str(RULES))
    )
    assert configuration.count("1s") == 2
    server = Prometheus(tmp_path, configuration)
    yield server
    server.close()


@pytest.mark.prometheus
def test_a_real_prometheus_evaluates_the_rules(stack: Stack, prometheus: Prometheus) -> None:
    wait_for("a scrape", lambda: prometheus.number("max(fluxkeep_redis_up)") == 1, 30)
    before = prometheus.number('fluxkeep_jobs_ended_total{status="stored",source="callback"}')
    assert before is not None
    stack.stored(stack.generate())
    rise = f'fluxkeep_jobs_ended_total{{status="stored",source="callback"}} == {before + 1}'
    wait_for("the next scrape", lambda: prometheus.query(rise), 30)
    assert prometheus.query('up{job="fluxkeep"} == 1')

    def health() -> set[str]:
        return {rule["health"] for rule in prometheus.alerts().values()}

    wait_for("an evaluation", lambda: "unknown" not in health(), 30)
    assert health() == {"ok"}
    assert prometheus.alerts()["FluxkeepSweepSilent"]["state"] == "inactive"
