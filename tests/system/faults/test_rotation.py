"""Each secret is replaced by restarts under load: no callback is lost, no link breaks early."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import requests

from tests.harness.client import Client
from tests.harness.installation import DEFAULTS, KEYS
from tests.harness.invariants import awaiting_thumbnails, check
from tests.harness.load import Load
from tests.harness.patience import wait_for, wait_for_none
from tests.harness.stack import UNFINISHED, Stack, stopped_stack
from tests.sandbox import Settings, Task

pytestmark = pytest.mark.slow

CALLBACKS_PER_SECOND = 10
RETRY_SECONDS = 1.0  # BFL's first pause; what is refused throughout the restart comes again
TRIES = 20
OLD = {name: str(DEFAULTS[name]) for name in ("WEBHOOK_SECRET", "SECRET_KEY", "API_KEYS")}
NEW_API_KEY = "rotated-admin-key-canary-60d9"
NEW = {
    "WEBHOOK_SECRET": "rotated-webhook-secret-canary-77c3",
    "SECRET_KEY": "rotated-signing-key-canary-18fe",
    "API_KEYS": f"rotated:{NEW_API_KEY}:admin",
}
BOTH = {name: f"{NEW[name]},{OLD[name]}" for name in OLD}


@dataclass
class Seen:
    """Observations of a user at one stage of the rotation."""

    old_key: int
    new_key: int
    links: dict[str, int]


@dataclass
class Rotation:
    """From the old secrets over both to the new ones; `seen` at each stage."""

    stack: Stack
    load: Load
    links: dict[str, str] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)

    def restart(self, secrets: dict[str, str]) -> None:
        """SIGTERM, then the same process with other secrets, as a platform does it."""
        installation = self.stack.installation
        installation.stop("web")
        self.load.goes_on(4)  # these find nobody
        installation.settings |= secrets
        installation.start("web")
        installation.wait_until_ready()
        self.load.goes_on()

    def keep_link(self, name: str, key: str, task: Task) -> None:
        job = self.stack.installation.client(key).wait_for(task.id, "stored", timeout=40)
        self.links[name] = job["media"][0]["url"]

    def look(self, stage: str) -> None:
        fetched = {name: requests.get(url, timeout=30) for name, url in self.links.items()}
        links = {name: answer.status_code for name, answer in fetched.items()}
        self.seen[stage] = Seen(self._opens(KEYS["admin"]), self._opens(NEW_API_KEY), links)

    def _opens(self, key: str) -> int:
        return self.stack.installation.client(key).get("/api/jobs").status_code


@pytest.fixture(scope="module")
def rotation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotation]:
    patient = Settings(callback_retries=[RETRY_SECONDS] * TRIES, max_active=10_000)
    with stopped_stack(tmp_path_factory.mktemp("rotation"), patient) as stack:
        stack.installation.start("web", "sweep")
        stack.installation.start("worker", n=2)
        stack.installation.wait_until_ready()
        rotation = Rotation(stack, Load(stack, per_second=CALLBACKS_PER_SECOND))
        with rotation.load.running():
            rotate(rotation)
        yield rotation


def rotate(rotation: Rotation) -> None:
    """Rotate a secret as SECURITY.md describes."""
    load = rotation.load
    load.goes_on()
    rotation.keep_link("old", KEYS["admin"], load.tasks[0])
    rotation.look("old")
    rotation.restart(BOTH)
    load.secret = NEW["WEBHOOK_SECRET"]  # from now on the app submits with the new one
    load.goes_on()
    carriers = load.with_secret(OLD["WEBHOOK_SECRET"])
    wait_for("BFL is done with the old secret", lambda: load.acknowledged(carriers), 30)
    rotation.keep_link("new", NEW_API_KEY, load.with_secret(load.secret)[0])
    rotation.look("both")
    rotation.restart(NEW)
    rotation.look("new")


def test_every_callback_is_acknowledged_in_the_end(rotation: Rotation) -> None:
    load = rotation.load
    wait_for("all are acknowledged", lambda: load.acknowledged(load.tasks), 30)
    attempts = [outcome for task in load.tasks for outcome in load.attempts(task)]
    assert set(map(type, attempts)) == {int, str}, "else no callback fell into a restart"
    assert {outcome for outcome in attempts if isinstance(outcome, int)} <= {200, 503}
    assert all(load.with_secret(secrets["WEBHOOK_SECRET"]) for secrets in (OLD, NEW))


def test_every_job_ends_stored_and_no_secret_old_or_new_is_logged(rotation: Rotation) -> None:
    installation = rotation.stack.installation
    user = installation.client(NEW_API_KEY)
    wait_for_none("every job ends", lambda: user.jobs(status=UNFINISHED, limit=200), 60)
    wait_for_none("every thumbnail is made", lambda: awaiting_thumbnails(installation), 60)
    installation.settings |= BOTH  # so that both are looked for
    jobs = check(installation, idle=True)
    assert {job.status for job in jobs} == {"stored"}
    assert {job.id for job in jobs} == {task.id for task in rotation.load.tasks}


def test_a_link_lives_until_its_key_is_dropped(rotation: Rotation) -> None:
    seen = rotation.seen
    assert seen["old"].links == {"old": 200}
    assert seen["both"].links == {"old": 200, "new": 200}
    assert seen["new"].links == {"old": 403, "new": 200}


def test_a_new_key_opens_the_api_before_the_old_one_is_dropped(rotation: Rotation) -> None:
    opened = {stage: (seen.old_key, seen.new_key) for stage, seen in rotation.seen.items()}
    assert opened == {"old": (200, 401), "both": (200, 200), "new": (401, 200)}


@pytest.mark.parametrize("auth", ["secret", "signature"])
def test_a_retired_secret_proves_nothing(rotation: Rotation, auth: str) -> None:
    stack = rotation.stack
    task = rotation.load.tasks[0]
    bfl = Client(stack.installation.url, secret=OLD["WEBHOOK_SECRET"])
    assert bfl.callback({"id": task.id, "status": "Error"}, auth).status_code == 401
    bfl.close()
    assert stack.installation.client(NEW_API_KEY).job(task.id)["status"] == "stored"
