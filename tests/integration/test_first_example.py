"""The example of tests/README.md for a rule of a worker and the store."""

import pytest

from jobs.domain.status import Status
from tests.harness.local_worker import LocalWorker
from worker.claim import ClaimLost


def test_a_worker_whose_lease_ran_out_changes_nothing(worker: LocalWorker) -> None:
    task = worker.ready()  # BFL has named the URL of its media
    late_claim = worker.claim(task)
    worker.die_with(late_claim)  # its lease runs out, and the sweep sees it
    worker.work()  # another worker does the job
    assert worker.job(task).status is Status.STORED
    with pytest.raises(ClaimLost):
        late_claim.commit(lambda job, now: job.release(now))
    assert worker.job(task).status is Status.STORED
    assert worker.downloads(task) == 1
