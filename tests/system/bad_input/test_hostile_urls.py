"""Hostile URLs in authentic callbacks: no connection to a foreign host."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from jobs.status import Status
from tests.harness import check
from tests.harness.patience import wait_for
from tests.harness.stack import stopped_stack
from tests.sandbox import Sandbox
from tests.system.bad_input.target import TargetServer, new_id
from tests.system.bad_input.trap import ELSEWHERE, Trap, spellings

pytestmark = pytest.mark.slow

ALL_SECONDS = 60.0
# The spellings depend on ports that are not known yet; their names do not.
SAMPLES = [*spellings(1, 2), *(f"BFL's: {name}" for name in ELSEWHERE)]
# A URL that may be allowed one day is tried as long as it lives, so these are dead already.
DEAD = "se=2020-01-01T00%3A00%3A00Z&sig=a"
POLLING_ONLY = {
    "a delivery host": "https://delivery-eu1.bfl.ai/v1/get_result?id=x",
    "a path behind it": "https://api.bfl.ai/v1/get_result/../credits",
}


@dataclass(frozen=True)
class Attacked:
    """An installation after all hostile callbacks, with the trap and the resulting jobs."""

    target: TargetServer
    trap: Trap
    sandbox: Sandbox
    jobs: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """All hostile URLs were sent in authentic callbacks, and their jobs have ended."""
    directory = tmp_path_factory.mktemp("hostile_urls")
    hosts = "127.0.0.2,127.2"
    with (
        stopped_stack(directory, DELIVERY_HOSTS=hosts, CALLBACK_GRACE="1") as stack,
        Trap() as trap,
    ):
        stack.installation.start()
        stack.installation.wait_until_ready()
        target = TargetServer(stack.installation)
        yield Attacked(target, trap, stack.box, _ended(target, _urls(trap, stack.box)))


def _urls(trap: Trap, sandbox: Sandbox) -> dict[str, str]:
    here = spellings(trap.port, int(sandbox.url.rpartition(":")[2]))
    return here | {f"BFL's: {name}": url for name, url in ELSEWHERE.items()}


def _ended(target: TargetServer, urls: dict[str, str]) -> dict[str, dict[str, Any]]:
    ids = {name: ready(target, dead(url)) for name, url in urls.items()}
    until = time.monotonic() + ALL_SECONDS
    return {
        name: target.client.wait_for(job_id, timeout=max(until - time.monotonic(), 1.0))
        for name, job_id in ids.items()
    }


def dead(url: str) -> str:
    return f"{url}?{DEAD}" if url.endswith("/a.jpeg") else url.replace(".test/?", f".test/?{DEAD}&")


def ready(target: TargetServer, *urls: str) -> str:
    """Send a Ready callback with these sample URLs, and return the job's id."""
    job_id = new_id()
    result = {"sample": urls[0], "samples": list(urls)}
    body = json.dumps({"id": job_id, "status": "Ready", "result": result}).encode()
    assert target.authentic(body).status == 200
    return job_id


def refused(job: dict[str, Any]) -> bool:
    """Whether the URL was refused for ever or until it expired."""
    ends = ((Status.FAILED, "refused_url"), (Status.EXPIRED, "expired"))
    return (job["status"], job["error"]["code"]) in ends and job["media"] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_a_hostile_sample_url_is_never_fetched(attacked: Attacked, name: str) -> None:
    assert refused(attacked.jobs[name])
    assert attacked.trap.visits == []


def test_a_refused_url_is_not_repeated_to_users(attacked: Attacked) -> None:
    job_texts = [json.dumps(job) for job in attacked.jobs.values()]
    assert not [text for text in job_texts if "a.jpeg" in text or f":{attacked.trap.port}" in text]


@pytest.mark.parametrize("host", ["127.0.0.2", "127.2"])
def test_an_allowed_name_that_leads_to_a_private_address_is_refused(
    attacked: Attacked, host: str
) -> None:
    job_id = ready(attacked.target, dead(f"https://{host}/a.jpeg"))
    job = attacked.target.client.wait_for(job_id)
    assert refused(job) and "not public" in job["error"]["message"]


@pytest.mark.parametrize("order", [1, -1], ids=["hostile last", "hostile first"])
def test_a_hostile_url_among_good_ones_is_left_out(attacked: Attacked, order: int) -> None:
    good = _good_url(attacked.sandbox)
    bad = f"http://localhost:{attacked.trap.port}/"
    job_id = ready(attacked.target, *[good, bad][::order])
    job = attacked.target.client.wait_for(job_id)
    assert (job["status"], len(job["media"])) == (Status.STORED, 1)
    (left_out,) = [e["detail"] for e in job["timeline"] if e["event"] == "rescue.file_skipped"]
    assert left_out["reason"] == "refused_url"
    assert attacked.trap.visits == []


def _good_url(sandbox: Sandbox) -> str:
    task = sandbox.submit(switches={"callback": "never", "seconds": 0})
    wait_for("BFL is done", lambda: sandbox.task(task.id).finished_at)
    url = f"{sandbox.url}/v1/get_result?id={task.id}"
    answer = requests.get(url, headers={"x-key": "any"}, timeout=30)
    return str(answer.json()["result"]["sample"])


def test_a_hostile_url_in_a_polling_answer_is_refused_too(attacked: Attacked) -> None:
    url = f"http://127.0.0.1:{attacked.trap.port}/a.jpeg"
    task = attacked.sandbox.submit(
        switches={"callback": "never", "sample_url": url, "seconds": 0.01}
    )
    attacked.target.client.put_job(task.id, polling_url=polling_url(attacked.sandbox, task.id))
    assert refused(attacked.target.client.wait_for(task.id))
    assert attacked.trap.visits == []


def polling_url(sandbox: Sandbox, task_id: str) -> str:
    return f"{sandbox.url}/v1/get_result?id={task_id}"


# A polling URL is worse: the key for BFL goes there.


def polling(attacked: Attacked, name: str) -> str:
    urls = {name: f"{url}".replace("/a.jpeg", "/v1/get_result?id=x") for name, url in
            _urls(attacked.trap, attacked.sandbox).items()}  # fmt: skip
    return (urls | POLLING_ONLY)[name]


@pytest.mark.parametrize("name", [*SAMPLES, *POLLING_ONLY])
def test_a_hostile_polling_url_is_refused_by_name(attacked: Attacked, name: str) -> None:
    client, job_id = attacked.target.client, new_id()
    answer = client.put_job(job_id, polling_url=polling(attacked, name), model="flux-2-pro")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["polling_url"]
    assert client.find(job_id) is None and attacked.trap.visits == []


def test_afterwards_all_invariants_hold(attacked: Attacked) -> None:
    check(attacked.target.installation)
    assert attacked.trap.visits == []
