"""A new release goes on where an old one stopped, and works beside it while both run."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.procfile import ROOT
from jobs import records
from jobs.keys import RECORDS
from tests.harness.command_line import CommandLine
from tests.harness.process import Process
from tests.harness.scene import Scene, stopped_scene
from tests.records_of import RELEASES, Legacy

KNOWN = {"stored", "moderated", "failed"}
# BFL's callback and its media cannot come any more. What waits in line for a week at most is
# submitted, to the sandbox of this test.
AFTERWARDS = {
    "submitted": {"lost"},
    "ready": {"expired"},
    "queued": {"stored", "failed"},
    **{state: {state} for state in KNOWN},
}


@dataclass
class Upgrade:
    """An installation of today over what an old release left."""

    scene: Scene
    legacy: Legacy


@pytest.fixture(scope="module", params=RELEASES)
def upgrade(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgrade]:
    legacy = Legacy.of(request.param)
    with stopped_scene(tmp_path_factory.mktemp("upgrade"), CALLBACK_GRACE="1") as scene:
        scene.installation.settings["RETAIN_JOBS_DAYS"] = "forever"
        with scene.installation.redis.client() as redis:
            legacy.put(redis, scene.installation.media)
        scene.installation.start("web")
        scene.installation.wait_until_ready()
        yield Upgrade(scene, legacy)


def shown(scene: Scene) -> dict[str, str]:
    return {job["id"]: job["status"] for job in scene.client.jobs(limit=200)}


def test_every_job_of_an_old_release_is_listed_and_shown(upgrade: Upgrade) -> None:
    assert shown(upgrade.scene) == upgrade.legacy.jobs
    for job_id, state in upgrade.legacy.jobs.items():
        job = upgrade.scene.client.job(job_id)
        assert (job["status"], len(job["media"])) == (state, int(state == "stored"))
        assert job["timeline"]


def test_media_that_an_old_release_kept_are_served(upgrade: Upgrade) -> None:
    stored = [name for name, state in upgrade.legacy.jobs.items() if state == "stored"]
    served = [upgrade.scene.client.media(upgrade.scene.client.job(job_id)) for job_id in stored]
    kept = [body for key, body in upgrade.legacy.media.items() if key.endswith(".jpg")]
    assert sorted(served) == sorted(kept) and len(kept) == 2


def test_what_an_old_release_left_unfinished_is_ended_and_new_jobs_are_stored(
    upgrade: Upgrade,
) -> None:
    scene, legacy = upgrade.scene, upgrade.legacy
    scene.installation.start("sweep")
    for job_id, state in legacy.jobs.items():
        if state != "queued":
            scene.client.wait_for(job_id, *AFTERWARDS[state], timeout=40)
    scene.installation.start("worker")
    scene.stored(scene.generate())
    (waiting,) = (job_id for job_id, state in legacy.jobs.items() if state == "queued")
    scene.client.wait_for(waiting, *AFTERWARDS["queued"], timeout=40)


def test_fsck_mends_what_the_new_release_wants_and_rebuild_finds_every_stored_job(
    upgrade: Upgrade,
) -> None:
    scene, shell = upgrade.scene, CommandLine(upgrade.scene.installation)
    assert shell.run("fsck", "--mend").code in (0, 1)
    said = shell.run("fsck", "--verify-bytes")
    assert said.code == 0, said
    before = {job_id for job_id, state in shown(scene).items() if state == "stored"}
    scene.installation.stop("worker", "sweep")
    with scene.installation.redis.client() as redis:
        redis.flushall()
    assert shell.run("rebuild").code == 0
    assert set(shown(scene)) == before and len(before) >= 3


# Side by side.

FACT = "    drawn: int = 0  # times that was tried\n"
BIRTH = "            version=int(now * 1e6),\n"
NOVELTY = "a fact of tomorrow"


@pytest.fixture(scope="module")
def tomorrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of a release whose jobs have one more fact."""
    program = tmp_path_factory.mktemp("tomorrow")
    for package in ("jobs", "receiver", "worker", "deploy"):
        shutil.copytree(ROOT / package, program / package)
    for name, old, new in (
        ("facts", FACT, f"{FACT}    novelty: str | None = None\n"),
        ("job", BIRTH, f'{BIRTH}            novelty="{NOVELTY}",\n'),
    ):
        file = program / "jobs" / f"{name}.py"
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))
    return program


@pytest.fixture(params=["web", "worker"])
def mixed(request: pytest.FixtureRequest, tmp_path: Path, tomorrow: Path) -> Iterator[Scene]:
    """Either the web process or the background is of tomorrow already."""
    with stopped_scene(tmp_path) as scene:
        installation = scene.installation
        for name in ("web", "worker", "sweep"):
            if (name == "web") == (request.param == "web"):
                start_elsewhere(scene, name, tomorrow)
            else:
                installation.start(name)
        installation.wait_until_ready(path="/readyz")
        scene.box.settings.generation_seconds = 0.02
        yield scene


def start_elsewhere(scene: Scene, name: str, program: Path) -> None:
    installation = scene.installation
    environment = {**installation._environment({}), "PORT": str(installation.ports[0])}  # noqa: SLF001
    log = installation.directory / f"{name}.log"
    process = Process(name, installation.commands[name], environment, log, program)
    installation.running[name].append(process)


def record(scene: Scene, job_id: str) -> dict[str, Any]:
    with scene.installation.redis.client() as redis:
        raw = redis.get(RECORDS + job_id)
    assert isinstance(raw, bytes)
    body = records._unpacked(raw.partition(b" ")[2])  # noqa: SLF001 - as it is written down
    said: dict[str, Any] = json.loads(body)
    return said


def test_neighbouring_releases_work_on_the_same_jobs(mixed: Scene) -> None:
    called, silent = mixed.generate(), mixed.expected()
    for task in (called, mixed.generate()):
        mixed.stored(task)
    mixed.client.request("POST", f"/api/jobs/{silent.id}/rescues")
    mixed.box.call_back(silent.id)
    mixed.stored(silent)
    mixed.settled()


def test_an_old_worker_keeps_what_a_new_web_process_wrote(tmp_path: Path, tomorrow: Path) -> None:
    with stopped_scene(tmp_path) as scene:
        start_elsewhere(scene, "web", tomorrow)
        scene.installation.start("worker", "sweep")
        scene.installation.wait_until_ready(path="/readyz")
        task = scene.generate()
        scene.drawn(task)
        assert record(scene, task.id)["novelty"] == NOVELTY
        scene.expect(task, metadata={"user": "1"})
        assert record(scene, task.id)["novelty"] == NOVELTY
