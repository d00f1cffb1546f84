"""Budgets under load, kills and retries, beside the sandbox's own books (I34)."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from typing import Any

import pytest
import requests

from jobs.domain.job import Job
from tests.harness import DEFAULTS, Stack, running_stack, wait_for
from tests.sandbox import Settings

SUBMISSIONS = 150
KILLS = SUBMISSIONS // 30
AT_ONCE = 12
PRICES = {"flux-2-pro": 3.0, "flux-2-klein-4b": 1.4, "flux-2-flex": 5.0}
KEYS = {name: f"budget-key-canary-{name}" for name in ("red", "green", "blue")}
# Half of what the submissions of each key would cost, all models alike.
HALF = round(SUBMISSIONS / len(KEYS) * sum(PRICES.values()) / len(PRICES) / 2)
BUDGETS = {
    "red": f"budget={HALF}/month",
    "green": f"budget={HALF // 2}/week:budget=9999/month",
    "blue": f"own:budget={HALF}/month:budget={HALF - 9.5}/day",
}

pytestmark = pytest.mark.slow


@pytest.fixture
def env(tmp_path: Any) -> Iterator[Stack]:
    roomy = Settings(max_active=1000, generation_seconds=0.2, credits=1_000_000.0)
    keys = [f"{name}:{key}:submit:{BUDGETS[name]}" for name, key in KEYS.items()]
    entries = ",".join([DEFAULTS["API_KEYS"], *keys])
    with running_stack(
        tmp_path, roomy, MAX_ACTIVE="1000", API_KEYS=entries, GIVE_UP_AFTER="30"
    ) as opened:
        opened.installation.start("web", "worker")
        yield opened


def submit(env: Stack, n: int) -> int:
    """Submit one job, again while a process that is killed does not answer; the last status."""
    name, model = list(KEYS)[n % len(KEYS)], list(PRICES)[n // len(KEYS) % len(PRICES)]
    body = {"model": model, "input": {"prompt": f"{name} {n}", "sandbox": {"format": "mp4"}}}
    headers = {"x-key": KEYS[name], "Idempotency-Key": f"{name}-{n}"}

    def attempt() -> int | None:
        try:
            url = f"{random.choice(env.installation.urls)}/api/jobs"
            answer = requests.post(url, json=body, headers=headers, timeout=20)
        except requests.RequestException:
            return None
        is_final = answer.status_code in {202, 402} and answer.json().get("code") != "price_unknown"
        return answer.status_code if is_final else None

    return wait_for(f"submission {n} is answered", attempt, 60)


def kill_some(env: Stack) -> None:
    """Web processes, workers and the sweep, one a second; they are started again."""
    for name in islice(cycle(("web", "worker", "web", "sweep", "worker")), KILLS):
        time.sleep(1)
        random.choice(env.installation.running[name]).kill_all()


def books(env: Stack) -> dict[str, float]:
    """BFL's bill of each key: a prompt begins with its name."""
    found = dict.fromkeys(KEYS, 0.0)
    for task in env.sandbox.tasks():
        found[task.input["prompt"].split()[0]] += task.cost
    return {name: round(found[name], 4) for name in KEYS}


def in_doubt(jobs: list[Job], name: str) -> float:
    """Reserves of jobs that a killed worker may have sent: BFL has none of these."""
    lost = [job for job in jobs if job.request.key == name and job.status == "lost"]
    assert all(job.error and job.error.code == "submission_unconfirmed" for job in lost)
    return sum(job.submission.reserve or 0.0 for job in lost)


def budgets(env: Stack, name: str) -> Any:
    answer = requests.get(
        f"{env.installation.url}/api/budget", headers={"x-key": KEYS[name]}, timeout=20
    )
    return answer.json()["budgets"]


def test_no_key_spends_more_than_its_budget_and_the_books_are_those_of_bfl(env: Stack) -> None:
    credit = env.sandbox.settings.credits
    with env.installation.supervised(), ThreadPoolExecutor(AT_ONCE + 1) as pool:
        killing = pool.submit(kill_some, env)
        statuses = Counter(pool.map(lambda n: submit(env, n), range(SUBMISSIONS)))
        killing.result()
        env.installation.wait_until_ready()  # started again
    jobs = env.settled(120, idle=False)
    assert statuses.keys() == {202, 402}
    billed = books(env)
    assert round(credit - env.sandbox.settings.credits, 4) == round(sum(billed.values()), 4)
    for name in KEYS:
        counted = round(billed[name] + in_doubt(jobs, name), 4)
        for one in budgets(env, name):
            assert (one["spent"], one["reserved"]) == (counted, 0), (name, one, billed)
            assert one["spent"] <= one["limit"]
        assert min(one["left"] for one in budgets(env, name)) < max(PRICES.values())
    before = len(env.requests())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        flood = [n for n in range(10_000, 10_000 + SUBMISSIONS) if n // 3 % 3 == 2]  # the dearest
        assert set(pool.map(lambda n: submit(env, n), flood)) == {402}
    assert len(env.requests()) == before
