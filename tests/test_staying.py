"""A horse that stays for a while: it takes what comes, and leaves in time."""

import os
import threading
import time

from jobs.states import State
from tests.harness.floor import Floor
from worker import turn


def test_whoever_has_begun_goes_on_while_more_is_urgent(floor: Floor) -> None:
    tasks = [floor.ready(life=life) for life in (1000, 2000, 3000)]
    assert turn.take(floor.wired, tasks[2].id, seconds=6)
    assert {floor.job(task).state for task in tasks} == {State.STORED}
    redis = floor.wired.redis
    assert redis.llen("rq:queue:fluxkeep") == 0 and redis.keys("rq:job:*") == []


def test_whoever_stays_takes_what_comes(floor: Floor) -> None:
    first, later = floor.ready(), floor.finished()
    timer = threading.Timer(1.0, floor.unclear, [later])
    timer.start()
    assert turn.take(floor.wired, first.id, seconds=6)
    assert floor.job(later).state is State.STORED and all(floor.thumbnails(later))


def test_whoever_stays_leaves_when_its_worker_stops(floor: Floor) -> None:
    task = floor.ready()
    timer = threading.Timer(1.5, os.kill, (os.getpid(), turn.RECALL))
    timer.start()
    began = time.monotonic()
    assert turn.take(floor.wired, task.id, seconds=60)
    assert time.monotonic() - began < 30
    assert floor.job(task).state is State.STORED
