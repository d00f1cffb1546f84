"""Each secret is replaced by restarts under load: no callback is lost, no link breaks early."""

import uuid
from pathlib import Path

import pytest
import requests

from tests.harness import DEFAULTS, KEYS, Client, wait_for, wait_for_none
from tests.harness.invariants import assert_invariants, awaiting_thumbnails
from tests.harness.load import Load
from tests.harness.stack import UNFINISHED, Stack, stopped_stack
from tests.harness.visitor import Visitor
from tests.sandbox import Settings, Task

pytestmark = pytest.mark.slow

CALLBACKS_PER_SECOND = 10
RETRY_SECONDS = 1.0  # BFL's first pause; what is refused throughout the restart comes again
TRIES = 20
OLD = {name: str(DEFAULTS[name]) for name in ("WEBHOOK_SECRET", "SECRET_KEY", "API_KEYS")}
OLD_API_KEY, NEW_API_KEY = KEYS["admin"], "rotated-admin-key-canary-60d9"
NEW = {
    "WEBHOOK_SECRET": "rotated-webhook-secret-canary-77c3",
    "SECRET_KEY": "rotated-signing-key-canary-18fe",
    "API_KEYS": f"rotated:{NEW_API_KEY}:admin",
}
BOTH = {name: f"{NEW[name]},{OLD[name]}" for name in OLD}


def restart(stack: Stack, load: Load, secrets: dict[str, str]) -> None:
    """SIGTERM, then the same process with other secrets, as a platform does it."""
    stack.installation.stop("web")
    load.goes_on(4)  # these find nobody
    stack.installation.settings |= secrets
    stack.installation.start("web")
    load.goes_on()


def link(stack: Stack, key: str, task: Task) -> str:
    job = stack.installation.client(key).wait_for(task.id, "stored", timeout=40)
    return str(job["media"][0]["url"])


def opened(stack: Stack, *links: str) -> list[int]:
    """Answers to the old and the new key, and then to each link."""
    clients = (stack.installation.client(key) for key in (OLD_API_KEY, NEW_API_KEY))
    answers = [client.get("/api/jobs") for client in clients]
    answers += [requests.get(url, timeout=30) for url in links]
    return [answer.status_code for answer in answers]


def test_secrets_are_rotated_as_security_md_describes_it(tmp_path: Path) -> None:
    patient = Settings(callback_retries=[RETRY_SECONDS] * TRIES, max_active=10_000)
    with stopped_stack(tmp_path, patient) as stack:
        stack.installation.start("web", "sweep")
        stack.installation.start("worker", n=2)
        load = Load(stack, per_second=CALLBACKS_PER_SECOND)
        with load.running():
            load.goes_on()
            old_link = link(stack, OLD_API_KEY, load.tasks[0])
            assert opened(stack, old_link) == [200, 401, 200]
            restart(stack, load, BOTH)
            load.secret = NEW["WEBHOOK_SECRET"]  # from now on the app submits with the new one
            load.goes_on()
            carriers = load.with_secret(OLD["WEBHOOK_SECRET"])
            wait_for("the old secret is done", lambda: load.acknowledged(carriers), 30)
            new_link = link(stack, NEW_API_KEY, load.with_secret(load.secret)[0])
            assert opened(stack, old_link, new_link) == [200] * 4
            restart(stack, load, NEW)
            assert opened(stack, old_link, new_link) == [401, 200, 403, 200]
        assert_every_callback_is_acknowledged(load)
        assert_every_job_is_stored(stack, load)
        assert_the_old_secret_proves_nothing(stack, load.tasks[0])


def test_a_signing_key_is_rotated_in_three_steps(tmp_path: Path) -> None:
    old, new = OLD["SECRET_KEY"], NEW["SECRET_KEY"]
    with stopped_stack(tmp_path, Settings(max_active=1000)) as stack:
        installation = stack.installation
        installation.start("web", n=2)
        installation.start("worker", "sweep")
        for keys in (f"{old},{new}", f"{new},{old}", new):
            installation.settings["SECRET_KEY"] = keys
            for _ in range(2):  # first one of them has the new list, then all
                oldest = installation.running["web"].pop(0)
                installation.hang_up()
                oldest.terminate()
                oldest.wait(30)
                installation.start("web")
                for url, other in (installation.urls, installation.urls[::-1]):
                    assert_both_work_together(stack, url, other)
            installation.stop("worker")
            installation.start("worker")


def assert_both_work_together(stack: Stack, url: str, other: str) -> None:
    """Tokens, links, sessions and idempotency keys of one web process are valid at the other."""
    first, second = (stack.installation.client(url=each) for each in (url, other))
    body = {"model": "flux-2-pro", "input": {"prompt": "a fox", "sandbox": {"format": "mp4"}}}
    repeated = {"Idempotency-Key": uuid.uuid4().hex}
    ids = [
        client.request("POST", "/api/jobs", json=body, headers=repeated).json()["id"]
        for client in (first, second)
    ]
    assert ids[0] == ids[1], "it would be paid twice"
    job = first.wait_for(ids[0], "stored")
    assert job["source"] == "callback"
    assert second.get(job["media"][0]["url"].replace(url, other)).status_code == 200
    visitor = Visitor(url)
    visitor.url = other
    assert visitor.get("/").status_code == 200
    visitor.session.close()


def assert_every_callback_is_acknowledged(load: Load) -> None:
    wait_for("all are acknowledged", lambda: load.acknowledged(load.tasks), 30)
    attempts = [outcome for task in load.tasks for outcome in load.attempts(task)]
    assert set(map(type, attempts)) == {int, str}, "else no callback fell into a restart"
    assert {outcome for outcome in attempts if isinstance(outcome, int)} <= {200, 503}


def assert_every_job_is_stored(stack: Stack, load: Load) -> None:
    """And no secret, old or new, is in a log."""
    installation = stack.installation
    user = installation.client(NEW_API_KEY)
    wait_for_none("every job ends", lambda: user.jobs(status=UNFINISHED, limit=200), 60)
    wait_for_none("every thumbnail is made", lambda: awaiting_thumbnails(installation), 60)
    installation.settings |= BOTH  # so that both are looked for
    jobs = assert_invariants(installation, idle=True)
    assert {job.status for job in jobs} == {"stored"}
    assert {job.id for job in jobs} == {task.id for task in load.tasks}


def assert_the_old_secret_proves_nothing(stack: Stack, task: Task) -> None:
    bfl = Client(stack.installation.url, secret=OLD["WEBHOOK_SECRET"])
    for auth in ("secret", "signature"):
        assert bfl.callback({"id": task.id, "status": "Error"}, auth).status_code == 401
    bfl.close()
    assert stack.installation.client(NEW_API_KEY).job(task.id)["status"] == "stored"
