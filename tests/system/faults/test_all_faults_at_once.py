"""Everything at once, in small; `make soak` does it with ten thousand jobs."""

from pathlib import Path

import pytest

from tests.bench.soak.plan import Plan
from tests.bench.soak.run import soak_run

PLAN = Plan(jobs=40, seed=20261121, outage_seconds=5.0, faults_seconds=25.0, timeout_seconds=180.0)

pytestmark = pytest.mark.slow


@pytest.mark.timeout(900)
def test_no_job_is_lost_among_random_faults(tmp_path: Path) -> None:
    with soak_run(tmp_path, PLAN) as soak:
        report = soak.run()
    assert report.jobs == report.objects == PLAN.jobs
    assert report.kills and report.callbacks_acknowledged and report.in_triplicate
