"""`python -m deploy.all`: Redis, web, worker and sweep in one container, over one volume.

DATA_DIR names the volume. Its file `fluxkeep.env` has the settings that nobody gave
(`deploy/volume.py`); every process reads it (`jobs/config/environment.py`).
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from deploy import procfile
from deploy.supervisor import SupervisedProcess, Supervisor, print_line

DATA_DIR = "DATA_DIR"
DEFAULT_DATA_DIR = "var/all"
LOCK = "all.lock"
LOCK_SECONDS = 30.0  # the container before may still be stopping
TICK_SECONDS = 0.05
PRIVATE_UMASK = 0o077


def main() -> int:
    os.umask(PRIVATE_UMASK)
    os.chdir(procfile.ROOT)
    directory = Path(os.environ.get(DATA_DIR) or DEFAULT_DATA_DIR).absolute()
    environment = procfile.environment({DATA_DIR: str(directory)})
    try:
        lock = _lock(directory)
    except AlreadyRunning:
        sys.stderr.write(f"Fluxkeep cannot start: another one works in {directory}\n")
        return 1
    # It makes the directory, and says what is wrong with it or with the settings.
    prepared = subprocess.run(
        [sys.executable, "-m", "deploy.volume"],
        env=environment,
        stdout=subprocess.PIPE,
        check=False,
    )
    if prepared.returncode != 0:
        return 1
    plan = json.loads(prepared.stdout)
    for line in plan["welcome"]:
        print_line("all", line)
    processes = []
    if plan["redis"]:
        processes.append(SupervisedProcess("redis", plan["redis"]))
    for name, command in commands().items():
        processes.append(SupervisedProcess(name, command))
    # Every process inherits the lock: while one of them lives, no second Redis opens the data.
    inherited = [] if lock is None else [lock]
    supervisor = Supervisor(processes, environment, inherited, has_store=bool(plan["redis"]))
    return supervisor.run()


def commands() -> dict[str, list[str]]:
    """The processes of the Procfile, with the sweep inside the worker: 30 MB less."""
    by_name = procfile.commands()
    del by_name["sweep"]
    by_name["worker"] = ["python", "-m", "worker.with_sweep"]
    return by_name


class AlreadyRunning(Exception):
    """Another process works on the volume."""


def _lock(directory: Path) -> int | None:
    """Lock the volume for this process and its children. Raises AlreadyRunning.

    None where no file can be made: `deploy.volume` says why.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    ends_at = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends_at:
                raise AlreadyRunning from None
            time.sleep(TICK_SECONDS)
        else:
            return lock


if __name__ == "__main__":
    sys.exit(main())
