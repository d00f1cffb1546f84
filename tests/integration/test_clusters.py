"""A task whose callback is lost is found on whichever cluster of BFL it lives."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from redis import Redis

from jobs.bfl.client import BflClient, BflResponse
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.store.redis.keys import TASK_HOSTS
from tests.harness.local_worker import LocalWorker
from tests.harness.parts import api_over
from tests.sandbox import Sandbox, Task

GLOBAL, FIRST, SECOND = range(3)  # hosts of the sandbox by number


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A BFL whose global host knows no task of its two clusters."""
    with Sandbox(clusters=2) as sandbox:
        yield sandbox


def lost(worker: LocalWorker, host: int = SECOND, **switches: Any) -> Task:
    """A task of a cluster; BFL named no polling URL, its callback is lost, and its poll is due."""
    task = worker.finished(cluster=host, **switches)
    due(worker, task)
    return task


def due(worker: LocalWorker, task: Task, **polling: Any) -> None:
    def begin(job: Job | None, now: float) -> Job:
        known = job or Job.awaited(task.id, now - 100, worker.timeouts)
        return known.with_polling(**polling).enqueue(now)

    worker.store.update(task.id, begin)


def asked(worker: LocalWorker, task: Task) -> list[int]:
    """The hosts that were asked about a task."""
    seen = [one for one in worker.sandbox.requests if one.path == "/v1/get_result"]
    return [one.host for one in seen if task.id in one.target]


def url_at(worker: LocalWorker, task: Task, host: int) -> str:
    return f"{worker.sandbox.urls[host]}/v1/get_result?id={task.id}"


def test_a_lost_callback_of_a_task_on_another_cluster_costs_no_picture(worker: LocalWorker) -> None:
    task = lost(worker)
    worker.work(2)
    job = worker.job(task)
    assert (job.status, job.source) == (Status.STORED, "poll")
    assert asked(worker, task)[0] == GLOBAL and sorted(asked(worker, task)) == [0, 1, 2]


def test_the_host_that_knows_a_task_becomes_its_own(worker: LocalWorker) -> None:
    task = worker.sandbox.submit(switches={"seconds": 600, "cluster": SECOND})
    due(worker, task)
    worker.work()
    job = worker.job(task)
    assert job.polling.polling_url == url_at(worker, task, SECOND) and job.polling.alive_at
    due(worker, task)
    worker.work()
    assert sorted(asked(worker, task)) == [0, 1, 2, 2], "then it is asked alone"


@pytest.mark.parametrize("fault", [401, 403, 500, 503, 429, "html", "cut", "hang"])
@pytest.mark.parametrize("host", [GLOBAL, FIRST])
def test_a_host_that_fails_does_not_stop_the_others(
    worker: LocalWorker, monkeypatch: pytest.MonkeyPatch, fault: Any, host: int
) -> None:
    monkeypatch.setattr("worker.poll.ANSWER_SECONDS", 1.0)
    worker.sandbox.settings.change({"poll_faults_by_host": {str(host): fault}})
    task = lost(worker)
    worker.work(2)
    assert worker.job(task).status is Status.STORED


def test_hosts_that_know_nothing_end_no_job_and_are_asked_again_at_last(
    worker: LocalWorker,
) -> None:
    task = lost(worker, poll_404=10_000)
    worker.work()
    assert asked(worker, task) == [0, *asked(worker, task)[1:]]
    assert sorted(asked(worker, task)) == [0, 1, 2]
    for n in range(1, 4):  # between the first round and the last the best guess is asked alone
        due(worker, task)
        worker.work()
        assert asked(worker, task)[3:] == [GLOBAL] * n
    job = worker.job(task)
    assert job.status is Status.SUBMITTED
    assert job.timeline[-1].detail == {"answer": "BFL does not know this task yet"}
    deadline = worker.store.now() + 5
    worker.store.change(task.id, lambda job, now: job.evolve(deadline=deadline).enqueue(now))
    worker.work()
    assert sorted(asked(worker, task)[6:]) == [0, 1, 2]


def test_a_host_that_gave_no_answer_is_asked_again_before_the_picture_is_gone(
    worker: LocalWorker,
) -> None:
    worker.sandbox.settings.change({"poll_faults_by_host": {str(SECOND): 503}})
    task = lost(worker)
    worker.work()
    assert worker.job(task).polling.unanswered == (url_at(worker, task, SECOND),)
    worker.sandbox.settings.change({"poll_faults_by_host": {}})
    due(worker, task)
    worker.work(2)
    assert worker.job(task).status is Status.STORED
    assert FIRST not in asked(worker, task)[3:], "which has answered that it does not know it"


def test_a_host_that_knew_a_task_and_lost_it_is_not_asked_alone_in_a_replay(
    worker: LocalWorker,
) -> None:
    task = worker.finished(cluster=SECOND)
    due(worker, task, polling_url=url_at(worker, task, FIRST), is_host_found=True)
    worker.work(2)
    assert worker.job(task).status is Status.STORED
    assert asked(worker, task)[0] == FIRST, "it is asked first all the same"


def test_a_polling_url_that_bfl_named_is_asked_alone(worker: LocalWorker) -> None:
    task = worker.finished(cluster=SECOND)
    due(worker, task, polling_url=url_at(worker, task, FIRST))
    worker.work()
    assert asked(worker, task) == [FIRST]
    assert worker.job(task).status is Status.SUBMITTED


def test_a_host_whose_connection_hangs_beyond_its_deadline_costs_the_last_round_nothing(
    worker: LocalWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll, hung = BflClient.poll, Event()

    def stuck(client: BflClient, url: str, seconds: float) -> BflResponse:
        if worker.sandbox.urls[FIRST] in url:  # as while a name is looked up, or a SYN is dropped
            hung.wait(60)
        return poll(client, url, seconds)

    monkeypatch.setattr(BflClient, "poll", stuck)
    task = lost(worker)
    deadline = worker.store.now() + 5
    worker.store.change(task.id, lambda job, now: job.evolve(deadline=deadline).enqueue(now))
    began = time.monotonic()
    worker.work(2)
    hung.set()
    assert worker.job(task).status is Status.STORED
    assert time.monotonic() - began < 50, "less than it hangs"


def test_a_learned_host_that_is_not_bfls_gets_no_key(worker: LocalWorker, redis: Redis) -> None:
    strange = ["https://api.bfl.ai.example.com", "http://127.0.0.1:9", "https://evil.example", "x"]
    redis.zadd(TASK_HOSTS, dict.fromkeys(strange, 9e9))
    assert worker.services.task_hosts.learned() == []
    task = lost(worker)
    worker.work(2)
    assert worker.job(task).status is Status.STORED


@pytest.mark.parametrize("words", ["pending", "not_found"])
def test_other_hosts_that_call_it_pending_for_ever_hide_no_task(
    worker: LocalWorker, words: str
) -> None:
    finished = lost(worker, wrong_cluster=words)
    worker.work(2)
    assert worker.job(finished).status is Status.STORED
    task = worker.sandbox.submit(
        switches={"seconds": 600, "cluster": SECOND, "wrong_cluster": "404"}
    )
    due(worker, task)
    worker.work()
    assert worker.job(task).polling.polling_url == url_at(worker, task, SECOND)


def test_hosts_are_learned_from_bfls_words_the_latest_first(
    worker: LocalWorker, redis: Redis, tmp_path: Path
) -> None:
    first, second = (worker.sandbox.urls[n] for n in (FIRST, SECOND))
    for host in (SECOND, FIRST):
        task = worker.ready(cluster=host)  # by a report that names a delivery URL
        worker.work()
        assert worker.job(task).status is Status.STORED
    assert [str(host) for host in worker.services.task_hosts.learned()] == [first, second]
    another = LocalWorker.over(redis, worker.sandbox, tmp_path)  # another process
    assert [str(host) for host in another.services.task_hosts.learned()] == [first, second]


def test_a_caller_teaches_hosts_too_and_pushes_none_out(worker: LocalWorker) -> None:
    worker.ready(cluster=SECOND)
    worker.work()
    api = api_over(worker.services)
    for n in range(100):
        url = f"https://api.made-up-{n}.bfl.ai/v1/get_result?id=task-{n}"
        assert api.put(f"/api/jobs/task-{n}", json={"polling_url": url}).status_code == 201
    assert api.put(
        "/api/jobs/last",
        json={"polling_url": f"{worker.sandbox.urls[FIRST]}/v1/get_result?id=last"},
    ).status_code == 201  # fmt: skip
    learned = [str(host) for host in worker.services.task_hosts.learned()]
    assert learned[:2] == [worker.sandbox.urls[SECOND], worker.sandbox.urls[FIRST]]
    assert len(learned) < 36


def test_a_dead_url_is_asked_for_at_the_cluster_that_delivered_it(worker: LocalWorker) -> None:
    task = worker.finished(cluster=SECOND, life=-1)
    message = {"id": task.id, "status": "Ready", "result": {"sample": first_url(worker, task)}}
    secret = {"X-Webhook-Secret": worker.services.settings.webhook_secret[0].get_secret_value()}
    assert api_over(worker.services).post("/webhooks/bfl", json=message, headers=secret).json
    worker.work(2)
    assert worker.job(task).status is Status.STORED
    assert asked(worker, task) == [SECOND]


def first_url(worker: LocalWorker, task: Task) -> str:
    """The URL that its callback would name; a poll would be told of a fresh one."""
    return worker.sandbox.urls[task.host] + worker.sandbox.task(task.id).links[0].target
