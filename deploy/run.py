"""`make run`: run every process on this machine until Ctrl-C or until one process ends."""

import os
import shlex
import signal
import sys
from contextlib import nullcontext
from functools import partial
from types import FrameType

from deploy import procfile
from deploy.dev_settings import CannotStart, DevSettings, locked_data_directory, prepare
from deploy.local_redis import RedisNotStarted
from deploy.process_runner import STOP_SIGNALS, Runner
from deploy.procfile import ROOT
from deploy.welcome import Welcome
from jobs.domain.errors import InvalidSettings

PRIVATE_UMASK = 0o077


def main() -> int:
    os.chdir(ROOT)
    os.umask(PRIVATE_UMASK)
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt_once)
    try:
        with locked_data_directory() as lock:
            return run(prepare(), lock)
    except (CannotStart, InvalidSettings, RedisNotStarted) as error:
        sys.stderr.write(f"Fluxkeep cannot start: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0


def _interrupt_once(_number: int, _frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt. A second signal must not interrupt what then stops Redis."""
    for number in STOP_SIGNALS:
        signal.signal(number, _ignore)
    raise KeyboardInterrupt


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Not SIG_IGN, which a child would inherit."""


def run(dev: DevSettings, lock: int) -> int:
    """Run every process; return the exit code. Redis stops last, after its clients."""
    # Redis inherits the lock: if it survives us, no second Redis may open its data.
    _record(lock, os.getpid(), dev.url)
    # Not by an ExitStack: a signal while it enters would leave Redis behind.
    redis_if_local = dev.redis.running(lock) if dev.redis else nullcontext()
    with redis_if_local as redis:
        if redis:
            _record(lock, redis.pid)
        welcome = Welcome(dev)
        runner = Runner(redis, on_start=welcome.start, on_pid=partial(_record, lock))
        commands = procfile.commands()
        if dev.sandbox:
            commands["sandbox"] = ["python", "-m", "tests.sandbox", f"--port={dev.sandbox.port}"]
        for name, command in commands.items():
            shell_command = f"exec {shlex.join(command)}"
            runner.add_process(name, shell_command, env=procfile.environment({}))
        try:
            runner.loop()
        finally:
            welcome.stop()
    if runner.failure:
        sys.stderr.write(f"Fluxkeep has stopped: {runner.failure}\n")
        return 1
    return 0


def _record(lock: int, *words: object) -> None:
    """Add words to the lock's file, for the next `make run` that finds it locked."""
    text = "".join(f"{word} " for word in words)
    os.write(lock, text.encode())


if __name__ == "__main__":
    sys.exit(main())
