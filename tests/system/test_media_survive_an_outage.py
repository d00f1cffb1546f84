"""Redis is gone for 90 s right after a download, and the URL is dead when it comes back."""

import time
from pathlib import Path

import pytest

from tests.harness.patience import wait_for
from tests.harness.stack import stopped_stack

OUTAGE_SECONDS = 90.0
STORED_WITHIN_SECONDS = 120.0

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["directory", "bucket"])
@pytest.mark.parametrize("samples", [1, 2])
def test_what_was_verified_is_stored_when_redis_comes_back(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, samples: int
) -> None:
    bucket = request.getfixturevalue("bucket") if kind == "bucket" else None
    with stopped_stack(tmp_path, bucket=bucket) as stack:
        installation = stack.installation
        installation.start("web", "worker", "sweep")
        installation.wait_until_ready(path="/readyz")
        # The last file is under way when Redis goes, and is whole a few seconds later.
        task = stack.generate(samples=samples, size=100_000, drip=40_000, life=60, resign=False)
        stack.wait_for_download(task, samples)
        installation.redis.stop()
        stopped_at = time.monotonic()
        wait_for("its files are published", lambda: len(stack.keys(task)) == samples, 30)
        wait_for("the outage", lambda: time.monotonic() - stopped_at > OUTAGE_SECONDS, 120)
        installation.redis.start()
        job = stack.stored(task, STORED_WITHIN_SECONDS)
        assert len(job["media"]) == samples and len(stack.deliveries(task)) == samples
        stack.settled(timeout=120)
