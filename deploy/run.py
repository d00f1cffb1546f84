"""`make run`: all of Fluxkeep on this machine, until Ctrl-C or until one process ends."""

import os
import shlex
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext
from types import FrameType

from deploy import procfile
from deploy.dev_settings import CannotStart, DevSettings, locked_data_directory, prepare
from deploy.local_redis import RedisNotStarted
from deploy.procfile import ROOT
from deploy.runner import Runner
from deploy.welcome import Welcome
from jobs.errors import InvalidSettings

PRIVATE_UMASK = 0o077


def main() -> int:
    os.chdir(ROOT)
    os.umask(PRIVATE_UMASK)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, _terminate)  # the terminal was closed
    try:
        with locked_data_directory() as lock:
            return run(prepare(), lock)
    except (CannotStart, InvalidSettings, RedisNotStarted) as error:
        sys.stderr.write(f"Fluxkeep cannot start: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 0


def _terminate(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGTERM)


def run(given: DevSettings, lock: int) -> int:
    """Run everything; returns the exit code. Redis is stopped last: its clients finish first."""
    # It inherits the lock: no second Redis may open the data of one that was left behind.
    with given.redis.running(lock) if given.redis else nullcontext() as redis:
        failure = _run_processes(given, redis)
    if failure:
        sys.stderr.write(f"Fluxkeep has stopped: {failure}\n")
    return 1 if failure else 0


def _run_processes(given: DevSettings, redis: subprocess.Popen[bytes] | None) -> str | None:
    """Returns why they stopped, or None after a signal."""
    welcome = Welcome(given)
    watcher = threading.Thread(target=lambda: _watch(redis, runner), daemon=True)

    def start_threads() -> None:
        welcome.start()
        watcher.start()

    runner = Runner(start_threads)
    for name, command in procfile.commands().items():
        runner.add_process(name, f"exec {shlex.join(command)}", env=procfile.environment({}))
    if given.sandbox_port:
        runner.add_process(
            "sandbox", f"exec {shlex.join(_sandbox(given))}", env=_sandbox_environment(given)
        )
    try:
        runner.loop()
    finally:
        welcome.stop()
    return runner.failure


def _watch(redis: subprocess.Popen[bytes] | None, runner: Runner) -> None:
    """Stop everything when the embedded Redis ends."""
    if redis is not None:
        runner.console.note_end("redis", redis.wait())
        runner.terminate()


def _sandbox(given: DevSettings) -> list[str]:
    webhook = f"{given.url}/webhooks/bfl"
    return [
        "python",
        "-m",
        "tests.sandbox",
        f"--port={given.sandbox_port}",
        f"--webhook-url={webhook}",
    ]


def _sandbox_environment(given: DevSettings) -> dict[str, str]:
    # Not an argument: every user of this machine can read a command line.
    secret = given.settings.webhook_secret[0].get_secret_value()
    return procfile.environment({"WEBHOOK_SECRET": secret})


if __name__ == "__main__":
    sys.exit(main())
