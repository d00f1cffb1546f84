"""Lua scripts, read from `lua/`: each is one round trip and one atomic step.

A script's header documents its KEYS, ARGV and return value. Replies about jobs begin with the Redis
time, by which leases and deadlines are measured.
"""

from pathlib import Path

_DIRECTORY = Path(__file__).parent / "lua"


def _read(*names: str) -> str:
    """One script; the files under `shared/` that it needs come first."""
    return "\n".join((_DIRECTORY / f"{name}.lua").read_text() for name in names)


RQ_TEMPLATE = _read("shared/rq")

COMMIT = _read("shared/version", "shared/commands", "commit")
ENQUEUE = _read("enqueue")
RUN_IF_UNCHANGED = _read("shared/version", "shared/commands", "run_if_unchanged")
LOAD_JOB = _read("load_job")
PENDING_WORK = _read("pending_work")
DUE_JOBS = _read("due_jobs")
NEXT_SUBMISSION = _read("next_submission")
CLOSE_IDLE_CIRCUITS = _read("close_idle_circuits")
RECORD_REFUSED_CALLBACK = _read("record_refused_callback")
REFUSED_CALLBACKS = _read("refused_callbacks")
ADMIT_REQUEST = _read("shared/gcra", "admit_request")
RECORD_WRONG_KEY = _read("shared/gcra", "record_wrong_key")
