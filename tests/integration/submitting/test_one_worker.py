"""One worker in this process: RQ jobs, inputs, and the steps of a submission."""

import threading
from pathlib import Path

import pytest

from jobs import services as wiring
from jobs.config.settings import load
from jobs.domain import submission
from jobs.domain.errors import ConnectionFailed, TransferFailed
from jobs.domain.status import Status
from jobs.store.redis.keys import QUEUE_PREFIX, RECORD_PREFIX
from tests.harness import RedisServer, TcpProxy
from tests.harness.required_settings import SECRETS
from tests.harness.tripwire import Tripwire
from tests.harness.worker_environment import KEY, SLOTS, WorkerEnvironment, built, process_one
from tests.sandbox import Sandbox


def test_a_job_that_is_ready_wakes_one_worker_for_itself_and_one_for_the_queue(
    local_worker: WorkerEnvironment,
) -> None:
    for job_id in "abc":
        local_worker.post(job_id)
    local_worker.work(2)
    local_worker.without_rq_jobs()
    local_worker.sandbox.call_back(local_worker.job("a").task_id or "")  # nobody listens
    local_worker.services.store.change("a", lambda job, now: job.recheck(now + 61))
    local_worker.without_rq_jobs()
    local_worker.work()
    assert local_worker.job("a").status is Status.READY
    assert local_worker.rq_jobs() == 2


def test_each_that_is_submitted_calls_the_next(local_worker: WorkerEnvironment) -> None:
    for job_id in "abc":
        local_worker.post(job_id)
    local_worker.without_rq_jobs()
    local_worker.work()
    assert local_worker.rq_jobs() == 1
    local_worker.without_rq_jobs()
    local_worker.work()
    assert local_worker.rq_jobs() == 0, "there is no slot for another"


def test_a_job_is_submitted_although_the_answer_to_its_admission_got_lost(
    local_worker: WorkerEnvironment, redis_server: RedisServer, tmp_path: Path
) -> None:
    local_worker.post("a")
    with Tripwire(redis_server.port) as wire:
        proxy = TcpProxy(wire.port)
        through = {"REDIS_URL": redis_server.url_through(proxy.port)}
        here = {
            "BFL_SANDBOX_URL": local_worker.sandbox.url,
            "MEDIA_URL": (tmp_path / "media").as_uri(),
        }
        settings = load(SECRETS | SLOTS | here | through | {"BFL_API_KEY": KEY})
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
    services = built(redis_server, tmp_path)
    local_worker = WorkerEnvironment(services, sandbox)
    with pytest.raises(ConnectionFailed, match="BFL_API_KEY"):
        services.bfl.submit(services.bfl.origin, "flux-2-pro", b"{}", 5.0)
    local_worker.post("a")
    local_worker.work()
    job = local_worker.job("a")
    assert job.submission.is_queued and "BFL_API_KEY" in str(job.timeline[-1].detail)
    services.redis.close()


def test_an_answer_that_does_not_come_in_time_may_have_made_a_task(
    local_worker: WorkerEnvironment,
) -> None:
    late = b'{"prompt": "a", "sandbox": {"submit_hang": 5}}'
    with pytest.raises(TransferFailed) as caught:
        local_worker.services.bfl.submit(local_worker.services.bfl.origin, "flux-2-pro", late, 0.5)
    assert not isinstance(caught.value, ConnectionFailed)


def test_an_input_that_is_gone_fails_the_job(local_worker: WorkerEnvironment) -> None:
    local_worker.post("a")
    local_worker.lose_input("a")
    local_worker.work()
    failure = local_worker.job("a").error
    assert failure and failure.code == "input_lost" and local_worker.posts() == 0


def test_only_the_key_of_the_operator_goes_to_bfl(local_worker: WorkerEnvironment) -> None:
    local_worker.post("a")
    local_worker.work()
    (seen,) = local_worker.sandbox.requests
    assert seen.headers["x-key"] == KEY and seen.headers["content-type"] == "application/json"
    assert "authorization" not in seen.headers and KEY.encode() not in seen.body


# The head of a queue.


def test_a_late_worker_does_not_remove_a_requeued_job(local_worker: WorkerEnvironment) -> None:
    local_worker.post("a")
    claim = local_worker.admit()
    seen = local_worker.job("a").version  # what the late one sees: another worker has it
    claim.commit(lambda job, now: submission.requeue(job, now, "busy"))
    local_worker.services.store.remove_queued("a", f"{QUEUE_PREFIX}large", seen)
    assert local_worker.next() == "a"


def test_a_queue_entry_without_a_record_blocks_no_other(local_worker: WorkerEnvironment) -> None:
    local_worker.redis.zadd(f"{QUEUE_PREFIX}large", {"ghost": 1.0})
    local_worker.post("a")
    local_worker.work()
    assert local_worker.job("a").status is Status.SUBMITTED


def test_an_unreadable_record_blocks_no_other_job(local_worker: WorkerEnvironment) -> None:
    local_worker.post("broken")
    local_worker.redis.set(f"{RECORD_PREFIX}broken", "1 {")
    local_worker.post("a")
    local_worker.work()
    assert local_worker.job("a").status is Status.SUBMITTED


def test_a_model_that_is_no_path_fails_its_job_and_nothing_is_sent(
    local_worker: WorkerEnvironment,
) -> None:
    local_worker.post("a", model="../../internal")
    local_worker.work()
    failure = local_worker.job("a").error
    assert failure and failure.code == "unknown_model"
    assert local_worker.posts() == 0
