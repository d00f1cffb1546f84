"""kill -9 of the web process around the moment in which it puts a callback on record."""

import time

from tests.harness.invariants import all_jobs
from tests.harness.patience import wait_for
from tests.harness.scene import Scene
from tests.harness.tripwire import Tripwire

REBUILT_WITHIN_SECONDS = 30.0  # a sweep or two, and a slow machine


def web_behind(scene: Scene, wire: Tripwire) -> None:
    redis = scene.installation.redis
    scene.installation.start("web", REDIS_URL=redis.url_through(wire.port))
    scene.installation.start("worker", "sweep")
    scene.installation.wait_until_ready()


def restart_web(scene: Scene) -> None:
    scene.installation.start("web")
    scene.installation.wait_until_ready()


def known(scene: Scene) -> list[str]:
    """Of whom there is a record, before BFL comes again."""
    with scene.installation.redis.client() as redis:
        return [job.id for job in all_jobs(redis)]


def test_killed_before_the_record_bfl_comes_again_and_the_job_is_stored(
    quiet_scene: Scene,
) -> None:
    scene = quiet_scene
    with Tripwire(scene.installation.redis.port) as wire:
        web_behind(scene, wire)
        wire.arm(b"fluxkeep:job:")
        task = scene.generate()
        wire.wait()
        scene.installation.kill("web")
        assert known(scene) == []
        restart_web(scene)
    wait_for("BFL is heard", lambda: scene.outcomes(task, 2)[-1] == 200, 45)
    assert isinstance(scene.outcomes(task)[0], str)
    scene.stored(task)
    assert len(scene.objects(task)) == len(scene.deliveries(task)) == 1
    scene.settled()


def test_killed_after_the_record_bfl_comes_again_and_there_is_one_object(
    quiet_scene: Scene,
) -> None:
    scene = quiet_scene
    with Tripwire(scene.installation.redis.port) as wire:
        web_behind(scene, wire)
        # The first who writes has to bring the script, and is answered that Redis lacks it.
        scene.client.callback({"id": "first", "status": "Content Moderated"})
        wire.arm(b"fluxkeep:job:", answer=True)
        task = scene.generate()
        wire.wait()
        scene.installation.kill("web")
        assert task.id in known(scene)
        restart_web(scene)
    wait_for("BFL is heard", lambda: scene.outcomes(task, 2)[-1] == 200, 45)
    assert isinstance(scene.outcomes(task)[0], str)
    scene.stored(task)
    assert len(scene.objects(task)) == len(scene.deliveries(task)) == 1
    scene.settled()


def test_a_record_whose_entry_never_came_to_be_is_picked_up_soon(
    scene: Scene,
) -> None:
    # Record and entry are one write, so what is left of this case is an entry that is gone.
    installation = scene.installation
    installation.kill("worker")
    task = scene.generate()
    assert scene.outcomes(task) == [200]
    installation.redis.flush_rq()
    began = time.monotonic()
    installation.start("worker")
    scene.stored(task)
    assert time.monotonic() - began < REBUILT_WITHIN_SECONDS
    assert len(scene.objects(task)) == len(scene.deliveries(task)) == 1
    scene.settled()


def test_one_of_two_web_processes_is_enough(scene: Scene) -> None:
    installation = scene.installation
    installation.start("web")
    installation.wait_until_ready()
    installation.web[0].kill_all()
    survivor = f"{installation.urls[1]}/webhooks/bfl"
    task = scene.generate(webhook_url=survivor)
    assert scene.outcomes(task) == [200]
    installation.start("web")
    wait_for("the first is back", lambda: len(installation.web) == 2)
    installation.wait_until_ready()
    scene.stored(task)
    scene.settled()
