"""The RQ queue: its keys, and the RQ jobs that Lua scripts write and remove.

An RQ job announces that work is pending. It carries a job id and nothing else (I19), and may be
lost, duplicated or late without harm (I18). `commit.lua` writes it together with the record that
needs the work, in one step. RQ itself is not imported: only a worker needs its 2 MB.
"""

import os
import time
from datetime import UTC, datetime

from jobs.store.redis import scripts

QUEUE_NAME = "fluxkeep"
QUEUE_KEY = f"rq:queue:{QUEUE_NAME}"
WORKERS_KEY = f"rq:workers:{QUEUE_NAME}"
TASK = "worker.tasks.process_waiting_jobs"
# A task drains the queue for as long as work comes in; leases and deadlines bound each job.
TASK_TIMEOUT_SECONDS = 365 * 86400
FAILURE_TTL_SECONDS = 60
RQ_JOB_TTL_SECONDS = 6 * 3600


def script(name: str) -> str:
    """A script of `lua/` that writes or removes RQ jobs."""
    lua = scripts.read("shared/rq")
    values = {
        "QUEUE_NAME": QUEUE_NAME,
        "TASK": TASK,
        "TIMEOUT_SECONDS": str(TASK_TIMEOUT_SECONDS),
        "FAILURE_TTL_SECONDS": str(FAILURE_TTL_SECONDS),
        "TTL_SECONDS": str(RQ_JOB_TTL_SECONDS),
        "QUEUE": QUEUE_KEY,
    }
    for placeholder, value in values.items():
        lua = lua.replace(f"@{placeholder}@", value)
    return scripts.read(name, rq=lua)


def arguments() -> tuple[str, str]:
    """Arguments of the Lua function `add_rq_job`: a new RQ job id, and the time."""
    now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="microseconds")
    return os.urandom(16).hex(), now.replace("+00:00", "Z")
