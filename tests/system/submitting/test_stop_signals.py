"""SIGTERM while submissions are admitted and sent: none is left marked as sent."""

import time
from functools import partial
from pathlib import Path

import pytest

from jobs.domain.timeline import EventCode
from tests.harness import Stack, all_jobs, stopped_stack, wait_for
from tests.sandbox import Settings
from tests.system.submitting.conftest import events

ROUNDS = 8
JOBS_IN_A_ROUND = 10
ANSWER_SECONDS = 0.1
LATER_IN_EACH_ROUND_SECONDS = 0.025

pytestmark = pytest.mark.slow


def marked_as_sent(env: Stack) -> list[str]:
    with env.installation.redis.client() as redis:
        return [
            job.id
            for job in all_jobs(redis)
            if job.submission.sent_at or job.submission.unconfirmed
        ]


def submits_more(env: Stack, seen: int) -> bool:
    return len(env.requests()) > seen


def test_a_stop_at_any_moment_leaves_each_submission_queued_or_confirmed(tmp_path: Path) -> None:
    roomy = Settings(max_active=1000)
    with stopped_stack(tmp_path, roomy, MAX_ACTIVE="1000") as env:
        installation, jobs = env.installation, []
        installation.start("web", "sweep")
        for n in range(ROUNDS):
            jobs += [env.posted(submit_hang=ANSWER_SECONDS) for _ in range(JOBS_IN_A_ROUND)]
            seen = len(env.requests())
            (worker,) = installation.start("worker")
            wait_for("it submits", partial(submits_more, env, seen))
            time.sleep(n * LATER_IN_EACH_ROUND_SECONDS)
            worker.terminate()
            assert worker.wait(30) == 0
            assert marked_as_sent(env) == []
        installation.start("worker")
        for job in jobs:
            stored = env.stored_job(job)
            assert len(env.requests(job)) == 1
            assert EventCode.SUBMISSION_UNCONFIRMED not in events(stored)
