"""Libraries that each process loads: a megabyte here is paid in every process."""

import subprocess
import sys

import pytest

OPTIONAL = {"obstore", "psycopg", "sqlite3", "dotenv", "PIL", "sentry_sdk"}
LOADED_WHERE_USED = {
    "receiver.app": {*OPTIONAL, "rq", "receiver.cli"},
    "worker.sweep": {*OPTIONAL, "rq", "flask", "gevent"},
    "worker.__main__": {*OPTIONAL, "flask", "gevent"},
}


@pytest.mark.parametrize("module", LOADED_WHERE_USED)
def test_a_process_loads_no_library_that_only_other_settings_or_processes_need(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & LOADED_WHERE_USED[module]
