"""Everything at once, in small; `make soak` does it with a thousand jobs and a minute's outage."""

import pytest

from tests.bench.soak.run import SoakRun
from tests.harness import Installation
from tests.sandbox import Sandbox

JOBS = 40

pytestmark = pytest.mark.slow


@pytest.mark.timeout(900)
def test_no_job_is_lost_in_a_storm(stopped_installation: Installation, sandbox: Sandbox) -> None:
    sandbox.settings.max_active = 1000
    stopped_installation.settings |= {"CALLBACK_GRACE": "1", "GIVE_UP_AFTER": "600"}
    stopped_installation.start("web", "sweep")
    stopped_installation.start("worker", n=2)
    stopped_installation.wait_until_ready()
    run = SoakRun(stopped_installation, sandbox, JOBS, 5.0, seed=20261121, faults_seconds=25.0)
    assert len(run.run(timeout_seconds=180)) == JOBS
    assert run.kills
