"""Hostile URLs in authentic callbacks and in `polling_url`: no connection to a foreign host."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from jobs.domain.status import Status
from tests.harness import Stack, assert_invariants, stopped_stack, wait_for
from tests.harness.trap import ELSEWHERE, Trap, spellings
from tests.system.bad_input.target import new_id

pytestmark = pytest.mark.slow

# The spellings depend on ports that are not known yet; their names do not.
NAMES = [*spellings(1, 2), *ELSEWHERE]
# A URL that may be allowed one day is tried as long as it lives, so these are dead already.
DEAD = "se=2020-01-01T00%3A00%3A00Z&sig=a"
# The sandbox itself and BFL, as browsers read these: allowed for downloads, and not for polling.
ALLOWED_IN_THE_END = ("the sandbox before a hash", "a dot segment")
SAMPLES = [name for name in NAMES if name not in ALLOWED_IN_THE_END]
POLLING = "/v1/get_result?id=x"
POLLING_ONLY = {
    "a delivery host": f"https://delivery-eu1.bfl.ai{POLLING}",
    "a path behind it": "https://api.bfl.ai/v1/get_result/../credits",
}
ENDS = ((Status.FAILED, "refused_url"), (Status.EXPIRED, "expired"))


@dataclass(frozen=True)
class Attacked:
    """An installation, a trap that nobody may visit, and the jobs of all hostile samples."""

    stack: Stack
    trap: Trap
    urls: dict[str, str]
    ids: dict[str, str]

    def refused(self, job_id: str) -> dict[str, Any]:
        """The job, whose URL was refused for ever or until it expired."""
        job = self.stack.client.wait_for(job_id, timeout=60)
        assert (job["status"], job["error"]["code"]) in ENDS and job["media"] == []
        assert self.trap.visits == []
        return job


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """All hostile URLs were sent in authentic callbacks."""
    directory, hosts = tmp_path_factory.mktemp("hostile_urls"), "127.0.0.2,127.2"
    with (
        stopped_stack(directory, DELIVERY_HOSTS=hosts, CALLBACK_GRACE="1") as stack,
        Trap() as trap,
    ):
        stack.installation.start()
        urls = spellings(trap.port, int(stack.sandbox.url.rpartition(":")[2])) | ELSEWHERE
        yield Attacked(
            stack, trap, urls, {name: ready(stack, dead(urls[name])) for name in SAMPLES}
        )
        assert_invariants(stack.installation)
        assert trap.visits == []


def dead(url: str) -> str:
    return f"{url}?{DEAD}" if url.endswith("/a.jpeg") else url.replace(".test/?", f".test/?{DEAD}&")


def ready(stack: Stack, *urls: str) -> str:
    """Send a Ready callback with these sample URLs, and return the job's id."""
    job_id = new_id()
    result = {"sample": urls[0], "samples": list(urls)}
    answer = stack.client.callback({"id": job_id, "status": "Ready", "result": result})
    assert answer.status_code == 200
    return job_id


@pytest.mark.parametrize("name", SAMPLES)
def test_a_hostile_sample_url_is_never_fetched(attacked: Attacked, name: str) -> None:
    shown = json.dumps(attacked.refused(attacked.ids[name]))
    assert "a.jpeg" not in shown and f":{attacked.trap.port}" not in shown


@pytest.mark.parametrize("host", ["127.0.0.2", "127.2"])
def test_an_allowed_name_of_a_private_address_is_refused(attacked: Attacked, host: str) -> None:
    job_id = ready(attacked.stack, dead(f"https://{host}/a.jpeg"))
    assert "not public" in attacked.refused(job_id)["error"]["message"]


@pytest.mark.parametrize("order", [1, -1], ids=["hostile last", "hostile first"])
def test_a_hostile_url_among_good_ones_is_left_out(attacked: Attacked, order: int) -> None:
    stack, bad = attacked.stack, f"http://localhost:{attacked.trap.port}/"
    task = stack.finished()
    asked = stack.sandbox.url + f"/v1/get_result?id={task.id}"
    answer = stack.client.request("GET", asked, headers={"x-key": "any"})
    good = str(answer.json()["result"]["sample"])
    job = stack.client.wait_for(ready(stack, *[good, bad][::order]))
    assert (job["status"], len(job["media"])) == (Status.STORED, 1)
    (left_out,) = [e["detail"] for e in job["timeline"] if e["event"] == "rescue.file_skipped"]
    assert left_out["reason"] == "refused_url"
    assert attacked.trap.visits == []


def test_a_hostile_url_in_a_polling_answer_is_refused_too(attacked: Attacked) -> None:
    url = f"http://127.0.0.1:{attacked.trap.port}/a.jpeg"
    task = attacked.stack.announced(sample_url=url)
    wait_for("BFL is asked", lambda: attacked.stack.polls(task), 30)
    attacked.refused(task.id)


# A polling URL is worse: the key for BFL goes there.


@pytest.mark.parametrize("name", [*NAMES, *POLLING_ONLY])
def test_a_hostile_polling_url_is_refused_by_name(attacked: Attacked, name: str) -> None:
    url = (attacked.urls | POLLING_ONLY)[name].replace("/a.jpeg", POLLING)
    client, job_id = attacked.stack.client, "never-made"
    answer = client.put_job(job_id, polling_url=url, model="flux-2-pro")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["polling_url"]
    assert client.find(job_id) is None and attacked.trap.visits == []
