"""One worker in this process: RQ jobs, inputs, and the steps of a submission."""

import threading
from pathlib import Path

import pytest

from jobs import services as wiring
from jobs import submission
from jobs.config.settings import load
from jobs.errors import ConnectionFailed, TransferFailed
from jobs.job import Job
from jobs.report import Failure
from jobs.status import Status
from jobs.store.keys import INPUT_PREFIX
from tests.harness import RedisServer, TcpProxy
from tests.harness.ports import free_port
from tests.harness.tripwire import Tripwire
from tests.harness.worker_environment import process_one
from tests.sandbox import Sandbox
from tests.system.submitting.local_worker import BASE, KEY, LocalWorker, built


def test_a_job_that_is_ready_wakes_one_worker_for_itself_and_one_for_the_queue(
    local_worker: LocalWorker,
) -> None:
    for job_id in "abc":
        local_worker.post(job_id)
    for _ in range(2):
        assert process_one(local_worker.wired)
    local_worker.without_rq_jobs()
    local_worker.box.call_back(
        local_worker.job("a").task_id or ""
    )  # nobody listens, but BFL is done

    def ready(job: Job | None, now: float) -> Job | None:
        return job and job.recheck(now + 61)

    local_worker.wired.store.update("a", ready)
    local_worker.without_rq_jobs()
    assert process_one(local_worker.wired) and local_worker.job("a").status is Status.READY
    assert local_worker.rq_jobs() == 2


def test_each_that_is_submitted_calls_the_next(local_worker: LocalWorker) -> None:
    for job_id in "abc":
        local_worker.post(job_id)
    local_worker.without_rq_jobs()
    process_one(local_worker.wired)
    assert local_worker.rq_jobs() == 1
    local_worker.without_rq_jobs()
    process_one(local_worker.wired)
    assert local_worker.rq_jobs() == 0, "there is no slot for another"


def test_a_free_slot_without_waiting_jobs_enqueues_nothing(local_worker: LocalWorker) -> None:
    local_worker.post("a")
    claim = local_worker.admit()
    local_worker.without_rq_jobs()
    claim.commit(lambda job, now: submission.refuse(job, now, Failure("a", "b")))
    assert local_worker.rq_jobs() == 0


def test_a_job_is_submitted_although_the_answer_to_its_admission_got_lost(
    local_worker: LocalWorker, redis_server: RedisServer, tmp_path: Path
) -> None:
    local_worker.post("a")
    with Tripwire(redis_server.port) as wire:
        proxy = TcpProxy(wire.port)
        through = {"REDIS_URL": redis_server.url_through(proxy.port)}
        here = {"BFL_SANDBOX_URL": local_worker.box.url, "MEDIA_URL": (tmp_path / "media").as_uri()}
        settings = load(BASE | here | through | {"BFL_API_KEY": KEY})
        worker = wiring.for_background(settings)
        wire.arm(b"submission.sent", answer=True)
        breakage = threading.Thread(target=_cut_when_tripped, args=(wire, proxy))
        breakage.start()
        assert process_one(worker)
        breakage.join()
        worker.redis.close()
        proxy.close()
    assert local_worker.job("a").task_id and local_worker.posts() == 1


def _cut_when_tripped(wire: Tripwire, proxy: TcpProxy) -> None:
    wire.wait()
    proxy.cut()


def test_without_a_key_nothing_is_sent_to_bfl(
    redis_server: RedisServer, tmp_path: Path, sandbox: Sandbox
) -> None:
    wired = built(redis_server, tmp_path)
    local_worker = LocalWorker(wired, sandbox)
    with pytest.raises(ConnectionFailed, match="BFL_API_KEY"):
        wired.bfl.submit(wired.bfl.origin, "flux-2-pro", b"{}", 5.0)
    local_worker.post("a")
    process_one(wired)
    assert local_worker.job("a").submission.is_queued and "BFL_API_KEY" in str(
        local_worker.job("a").timeline[-1].detail
    )
    wired.redis.close()


def test_a_refused_connection_means_not_sent(redis_server: RedisServer, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    wired = built(redis_server, tmp_path, BFL_SANDBOX_URL=nowhere)
    with pytest.raises(ConnectionFailed):
        wired.bfl.submit(wired.bfl.origin, "flux-2-pro", b"{}", 5.0)
    wired.redis.close()


def test_an_answer_that_does_not_come_in_time_may_have_made_a_task(
    local_worker: LocalWorker,
) -> None:
    late = b'{"prompt": "a", "sandbox": {"submit_hang": 5}}'
    with pytest.raises(TransferFailed) as caught:
        local_worker.wired.bfl.submit(local_worker.wired.bfl.origin, "flux-2-pro", late, 0.5)
    assert not isinstance(caught.value, ConnectionFailed)


def test_an_input_that_is_gone_fails_the_job(local_worker: LocalWorker) -> None:
    local_worker.post("a")
    local_worker.redis.delete(f"{INPUT_PREFIX}a")
    process_one(local_worker.wired)
    failure = local_worker.job("a").error
    assert failure and failure.code == "input_lost" and local_worker.posts() == 0


def test_a_refused_input_is_kept_for_a_day(local_worker: LocalWorker) -> None:
    local_worker.post("a")
    claim = local_worker.admit()
    assert local_worker.redis.ttl(f"{INPUT_PREFIX}a") == -1
    claim.commit(lambda job, now: submission.refuse(job, now, Failure("a", "b")))
    assert 86_000 < local_worker.redis.ttl(f"{INPUT_PREFIX}a") <= 86_400


def test_only_the_key_of_the_operator_goes_to_bfl(local_worker: LocalWorker) -> None:
    local_worker.post("a")
    process_one(local_worker.wired)
    (seen,) = local_worker.box.requests
    assert seen.headers["x-key"] == KEY and seen.headers["content-type"] == "application/json"
    assert "authorization" not in seen.headers and KEY.encode() not in seen.body
