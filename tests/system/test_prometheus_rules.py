"""Alerts that fire when one thing changes in a healthy installation, by promtool's rule tests."""

import json
from pathlib import Path

import pytest

from deploy.procfile import ROOT
from tests.harness.prometheus import promtool

pytestmark = pytest.mark.prometheus

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
AT = "175m"

UP = "redis_up{}"
SWEEP = 'heartbeat_age_seconds{process="sweep"}'
WORKERS = "workers{}"
WAITING = "waiting_jobs{}"
OVERDUE = "overdue_jobs{}"
REFUSES = "storage_refuses{}"
URGENT = "urgent_rescue_life_left_seconds{}"
BY_CALLBACK = 'jobs_ended_total{status="stored",source="callback"}'
BY_POLL = 'jobs_ended_total{status="stored",source="poll"}'
LOST = 'jobs_ended_total{status="lost",source="none"}'
EXPIRED = 'jobs_ended_total{status="expired",source="callback"}'
ACCEPTED = 'callbacks_total{outcome="accepted"}'
REFUSED = 'callbacks_total{outcome="refused"}'
GIVEN_UP = 'notifications_total{outcome="given_up"}'
SHORT_LIFE = 'life_left_seconds_bucket{le="120"}'
PAUSED = 'submitting_paused{model="*",reason="no credits"}'

# A value a minute, for three hours, in promtool's notation.
HEALTHY = {
    UP: "1x180",
    SWEEP: "2x180",
    WORKERS: "2x180",
    WAITING: "3x180",
    OVERDUE: "0x180",
    REFUSES: "0x180",
    URGENT: "580x180",
    BY_CALLBACK: "0+9x180",
    BY_POLL: "0+1x180",
    LOST: "4x180",
    EXPIRED: "0x180",
    ACCEPTED: "0+9x180",
    REFUSED: "0x180",
    GIVEN_UP: "1x180",
    SHORT_LIFE: "0x180",
    'life_left_seconds_bucket{le="600"}': "0+9x180",
    'life_left_seconds_bucket{le="+Inf"}': "0+9x180",
}
NOTHING = dict.fromkeys(HEALTHY, "")

CASES: dict[str, tuple[dict[str, str], set[str]]] = {
    "nothing is wrong": ({}, set()),
    "a job is lost": ({LOST: "4x170 5x10"}, {"JobsLost"}),
    "media expire": ({EXPIRED: "0x170 1x10"}, {"MediaExpired"}),
    "media are stored at the last minute": ({SHORT_LIFE: "0+1x180"}, {"LifeLeftShort"}),
    "a rescue waits too long": ({URGENT: "580x170 100x10"}, {"RescueUrgent"}),
    "no rescue waits": ({URGENT: ""}, set()),
    "the sweep falls silent": ({SWEEP: "2x170 70+60x10"}, {"SweepSilent"}),
    "there never was a sweep": ({SWEEP: ""}, {"SweepSilent"}),
    "the last worker is gone": ({WORKERS: "2x170 0x10"}, {"NoWorker"}),
    "Redis is away": ({**NOTHING, UP: "1x170 0x10"}, {"RedisDown"}),
    "nobody answers Prometheus": (NOTHING, {"NotScraped"}),
    "callbacks stop and BFL is polled": (
        {BY_CALLBACK: "0+9x100 900x80", BY_POLL: "0+1x100 100+10x80"},
        {"CallbackShareFalling"},
    ),
    "few jobs say nothing of a share": (
        {BY_CALLBACK: "0+9x100 900x80", BY_POLL: "0+1x100 100x70 101+1x10"},
        set(),
    ),
    "all callbacks are refused": (
        {ACCEPTED: "9x180", REFUSED: "0+1x180"},
        {"CallbacksRefused"},
    ),
    "forged callbacks among good ones": ({REFUSED: "0+1x180"}, set()),
    "nothing is submitted": ({PAUSED: "_x160 1x20"}, {"SubmittingPaused"}),
    "one model is busy": ({PAUSED.replace("*", "flux-2-pro"): "_x160 1x20"}, set()),
    "the queue grows": ({WAITING: "3x150 25+5x30"}, {"QueueGrowing"}),
    "a long queue gets shorter": ({WAITING: "3x150 225-5x30"}, set()),
    "jobs are overdue": ({OVERDUE: "0x170 3x10"}, {"Overdue"}),
    "the storage refuses": ({REFUSES: "0x170 1x10"}, {"StorageRefuses"}),
    "a receiver was given up": ({GIVEN_UP: "1x170 2x10"}, {"NotificationsGivenUp"}),
}


def series(changed: dict[str, str]) -> list[dict[str, str]]:
    """Of two web processes, each of which tells of the whole installation."""
    found = {name: values for name, values in (HEALTHY | changed).items() if values}
    return [
        {"series": f'fluxkeep_{name[:-1]},instance="{one}"}}'.replace("{,", "{"), "values": values}
        for name, values in found.items()
        for one in ("a", "b")
    ]


def case(name: str, changed: dict[str, str], firing: set[str]) -> dict[str, object]:
    samples = [
        {"labels": f'{{alertname="Fluxkeep{alert}"}}', "value": 1} for alert in sorted(firing)
    ]
    wanted = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": AT,
        "exp_samples": samples,
    }
    return {
        "name": name,
        "interval": "1m",
        "input_series": series(changed),
        "promql_expr_test": [wanted],
    }


def tried(directory: Path, *cases: dict[str, object]) -> tuple[int, str]:
    """JSON is YAML, too."""
    file = directory / "tests.yml"
    file.write_text(
        json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": list(cases)})
    )
    output = promtool("test", "rules", str(file))
    return output.returncode, output.stdout + output.stderr


def test_each_alert_fires_when_it_should_and_no_other(tmp_path: Path) -> None:
    code, output = tried(tmp_path, *(case(name, *rule) for name, rule in CASES.items()))
    assert code == 0, output


def test_these_tests_can_fail(tmp_path: Path) -> None:
    code, output = tried(tmp_path, case("wrong", {}, {"JobsLost"}))
    assert code == 1
    assert "FluxkeepJobsLost" in output


def test_every_alert_has_been_seen_to_fire() -> None:
    lines = RULES.read_text().splitlines()
    named = {line.split()[-1] for line in lines if line.strip().startswith("- alert:")}
    assert named == {f"Fluxkeep{one}" for _, firing in CASES.values() for one in firing}


def test_promtool_finds_nothing_wrong_with_the_files() -> None:
    for what, file in (("rules", RULES), ("config", RULES.with_name("prometheus.yml"))):
        output = promtool("check", what, str(file))
        assert output.returncode == 0, output.stdout + output.stderr
