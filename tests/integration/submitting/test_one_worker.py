"""One worker in this process: RQ jobs, inputs, and the steps of a submission."""

import threading
from pathlib import Path

import pytest

from jobs import services as wiring
from jobs.config.settings import load
from jobs.domain import submission
from jobs.domain.errors import ConnectionFailed, TransferFailed
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.redis.keys import QUEUE_PREFIX, RECORD_PREFIX
from tests.harness import RedisServer, TcpProxy
from tests.harness.local_worker import KEY, LocalWorker
from tests.harness.past_jobs import details
from tests.harness.required_settings import SECRETS
from tests.harness.tcp_proxy import Tripwire
from tests.sandbox import Sandbox
from worker.dispatcher import JobDispatcher


def test_a_ready_job_wakes_a_worker_for_itself_and_the_queue(worker: LocalWorker) -> None:
    for job_id in "abc":
        worker.post(job_id)
    for calls in (1, 0):  # then there is no slot for another
        worker.without_rq_jobs()
        worker.work()
        assert worker.rq_jobs() == calls, "each that is submitted calls the next"
    worker.without_rq_jobs()
    worker.sandbox.call_back(worker.job("a").task_id or "")  # nobody listens
    worker.store.change("a", lambda job, now: job.recheck(now + 61))
    worker.without_rq_jobs()
    worker.work()
    assert worker.job("a").status is Status.READY
    assert worker.rq_jobs() == 2


def test_a_job_is_submitted_although_the_answer_to_its_admission_got_lost(
    worker: LocalWorker, redis_server: RedisServer, tmp_path: Path
) -> None:
    worker.post("a")
    with Tripwire(redis_server.port) as wire:
        proxy = TcpProxy(wire.port)
        through = {"REDIS_URL": redis_server.url_through(proxy.port)}
        here = {"BFL_SANDBOX_URL": worker.sandbox.url, "MEDIA_URL": tmp_path.as_uri()}
        another = wiring.for_background(load(SECRETS | here | through | {"BFL_API_KEY": KEY}))
        wire.arm(b"submission.sent", answer=True)

        def cut_when_tripped() -> None:
            wire.wait()
            proxy.cut()

        breakage = threading.Thread(target=cut_when_tripped)
        breakage.start()
        assert JobDispatcher(another).process_next()
        breakage.join()
        another.redis.close()
        proxy.close()
    assert worker.job("a").task_id and worker.posts() == 1


def test_without_a_key_nothing_is_sent_to_bfl(services: Services, sandbox: Sandbox) -> None:
    worker = LocalWorker(services, sandbox)
    with pytest.raises(ConnectionFailed, match="BFL_API_KEY"):
        services.bfl.submit(services.bfl.origin, "flux-2-pro", b"{}", 5.0)
    worker.post("a")
    worker.work()
    job = worker.job("a")
    assert job.submission.is_queued
    assert "BFL_API_KEY" in str(details(job, "submission.requeued"))


def test_a_late_worker_does_not_remove_a_requeued_job(worker: LocalWorker) -> None:
    worker.post("a")
    claim = worker.admit()
    seen = worker.job("a").version  # what the late one sees: another worker has it
    claim.commit(lambda job, now: submission.requeue(job, now, "busy"))
    worker.store.remove_queued("a", f"{QUEUE_PREFIX}large", seen)
    assert worker.next() == "a"


def test_entries_without_a_good_record_block_no_other(worker: LocalWorker) -> None:
    worker.redis.zadd(f"{QUEUE_PREFIX}large", {"ghost": 1.0})
    worker.post("broken")
    worker.redis.set(f"{RECORD_PREFIX}broken", "1 {")
    worker.post("a")
    worker.work()
    assert worker.job("a").status is Status.SUBMITTED
    worker.post("nowhere", model="../../internal")
    worker.work()
    failure = worker.job("nowhere").error
    assert failure and failure.code == "unknown_model" and worker.posts() == 1
    late = b'{"prompt": "a", "sandbox": {"submit_hang": 5}}'
    with pytest.raises(TransferFailed) as caught:
        worker.services.bfl.submit(worker.services.bfl.origin, "flux-2-pro", late, 0.5)
    assert not isinstance(caught.value, ConnectionFailed), "it may have made a task"
