"""Alerts that fire when one thing changes in a healthy installation, by promtool's rule tests."""

import json
from pathlib import Path

import pytest

from deploy.procfile import ROOT
from tests.harness.prometheus import promtool

pytestmark = pytest.mark.prometheus

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
AT = "175m"

# Each series, and a value a minute for three hours, in promtool's notation, when all is well.
HEALTHY = {
    "up": ("redis_up{}", "1x180"),
    "sweep": ('heartbeat_age_seconds{process="sweep"}', "2x180"),
    "workers": ("workers{}", "2x180"),
    "worker": ('heartbeat_age_seconds{process="worker"}', "5x180"),
    "memory": ("redis_memory_used_ratio{}", "0.5x180"),
    "database": ("database_up{}", "1x180"),
    "late": ("archive_late_seconds{}", "2x180"),
    "waiting": ("waiting_jobs{}", "3x180"),
    "overdue": ("overdue_jobs{}", "0x180"),
    "refuses": ("storage_refuses{}", "0x180"),
    "urgent": ("urgent_rescue_life_left_seconds{}", "580x180"),
    "by_callback": ('jobs_ended_total{status="stored",source="callback"}', "0+9x180"),
    "by_poll": ('jobs_ended_total{status="stored",source="poll"}', "0+1x180"),
    "lost": ('jobs_ended_total{status="lost",source="none"}', "4x180"),
    "expired": ('jobs_ended_total{status="expired",source="callback"}', "0x180"),
    "accepted": ('callbacks_total{outcome="accepted"}', "0+9x180"),
    "refused": ('callbacks_total{outcome="refused"}', "0x180"),
    "given_up": ('notifications_total{outcome="given_up"}', "1x180"),
    "short_life": ('life_left_seconds_bucket{le="120"}', "0x180"),
    "life under 600": ('life_left_seconds_bucket{le="600"}', "0+9x180"),
    "life under +Inf": ('life_left_seconds_bucket{le="+Inf"}', "0+9x180"),
    "paused": ('submitting_paused{model="*",reason="no credits"}', ""),
    "budget": ('budget_left{key="app",budget="50/day"}', "30x180"),
    "credits": ('credits_left{key=""}', "900x180"),
    "paused one": ('submitting_paused{model="flux-2-pro",reason="no credits"}', ""),
}
NOTHING = dict.fromkeys(HEALTHY, "")

CASES: dict[str, tuple[dict[str, str], set[str]]] = {
    "nothing is wrong": ({}, set()),
    "a job is lost": ({"lost": "4x170 5x10"}, {"JobsLost"}),
    "media expire": ({"expired": "0x170 1x10"}, {"MediaExpired"}),
    "media are stored at the last minute": ({"short_life": "0+1x180"}, {"LifeLeftShort"}),
    "a rescue waits too long": ({"urgent": "580x170 100x10"}, {"RescueUrgent"}),
    "no rescue waits": ({"urgent": ""}, set()),
    "the sweep falls silent": ({"sweep": "2x170 70+60x10"}, {"SweepSilent"}),
    "there never was a sweep": ({"sweep": ""}, {"SweepSilent"}),
    "the last worker is gone": (
        {"workers": "2x170 0x10", "worker": "5x170 70+60x10"},
        {"NoWorker"},
    ),
    "workers that RQ cannot register go on": ({"workers": "2x170 0x10"}, set()),
    "the memory of Redis fills": ({"memory": "0.5x160 0.75x20"}, {"RedisMemoryHigh"}),
    "Redis is full": (
        {"memory": "0.5x160 1x20"},
        {"RedisMemoryHigh", "RedisFull"},
    ),
    "Redis is away": ({**NOTHING, "up": "1x170 0x10"}, {"RedisDown"}),
    "the database is away": ({"database": "1x170 0x10"}, {"DatabaseDown"}),
    "there is no database": ({"database": "", "late": ""}, set()),
    "ended jobs do not get into the database": ({"late": "2x150 1000+60x30"}, {"ArchiveLate"}),
    "nobody answers Prometheus": (NOTHING, {"NotScraped"}),
    "callbacks stop and BFL is polled": (
        {"by_callback": "0+9x100 900x80", "by_poll": "0+1x100 100+10x80"},
        {"CallbackShareFalling"},
    ),
    "few jobs say nothing of a share": (
        {"by_callback": "0+9x100 900x80", "by_poll": "0+1x100 100x70 101+1x10"},
        set(),
    ),
    "all callbacks are refused": (
        {"accepted": "9x180", "refused": "0+1x180"},
        {"CallbacksRefused"},
    ),
    "forged callbacks among good ones": ({"refused": "0+1x180"}, set()),
    "nothing is submitted": ({"paused": "_x160 1x20"}, {"SubmittingPaused"}),
    "one model is busy": ({"paused one": "_x160 1x20"}, set()),
    "a budget is used up": ({"budget": "30x170 0.5x10"}, {"BudgetUsedUp"}),
    "BFL's credits are nearly used up": ({"credits": "20x180"}, {"CreditsLow"}),
    "BFL's credits will not last": ({"credits": "9000-5x180"}, {"CreditsLow"}),
    "the queue grows": ({"waiting": "3x150 25+5x30"}, {"QueueGrowing"}),
    "a long queue gets shorter": ({"waiting": "3x150 225-5x30"}, set()),
    "jobs are overdue": ({"overdue": "0x170 3x10"}, {"Overdue"}),
    "the storage refuses": ({"refuses": "0x170 1x10"}, {"StorageRefuses"}),
    "a receiver was given up": ({"given_up": "1x170 2x10"}, {"NotificationsGivenUp"}),
}


def series(changed: dict[str, str]) -> list[dict[str, str]]:
    """Of two web processes, each of which tells of the whole installation."""
    values = {name: changed.get(name, usual) for name, (_, usual) in HEALTHY.items()}
    found = {HEALTHY[name][0]: value for name, value in values.items() if value}
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
