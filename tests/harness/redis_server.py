"""A real Redis for one test, with the configuration that `make run` uses."""

import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from deploy.local_redis import LocalRedis
from deploy.procfile import environment
from tests.harness import processes
from tests.harness.closing import Closing
from tests.harness.patience import wait_for
from tests.harness.ports import free_port

RQ_KEYS = "rq:*"


class RedisServer(Closing):
    """Started at once; AOF every second, no eviction, a password, a free loopback port.

    `kill` and `start` keep port and data. One that does not start fails the test.
    """

    def __init__(self, directory: Path) -> None:
        self.local = LocalRedis(directory, free_port())
        self.log = directory / "redis.log"
        self._popen: subprocess.Popen[bytes] | None = None
        self.local.prepare()
        self.start()

    @property
    def port(self) -> int:
        return self.local.port

    @property
    def url(self) -> str:
        return self.local.url

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    def url_through(self, port: int) -> str:
        """The same Redis by another loopback port, where a TcpProxy stands before it."""
        return self.url.replace(f":{self.port}/", f":{port}/")

    def client(self) -> Redis:
        return Redis.from_url(self.url, socket_timeout=10)

    def start(self, timeout: float = 20.0) -> None:
        """Returns when it answers, its data loaded."""
        with self.log.open("ab") as output:
            self._popen = processes.launch(
                self.local.command, output, environment({}), self.local.directory
            )
        try:
            wait_for("Redis", self.answers, timeout)
        except TimeoutError:
            raise RuntimeError(f"Redis did not start: {self.log.read_text()[-2000:]}") from None

    def answers(self) -> bool:
        if self._popen is None or self._popen.poll() is not None:
            raise RuntimeError(f"Redis has ended: {self.log.read_text()[-2000:]}")
        return self.local.answers()

    def kill(self) -> None:
        """SIGKILL. What was acknowledged must be there after `start`."""
        if self._popen is not None:
            processes.end(self._popen.pid)
            self._popen.wait()

    close = kill

    def stop(self) -> None:
        """SIGTERM and wait."""
        if self._popen is not None:
            self._popen.terminate()
            self._popen.wait(10)

    def configuration(self) -> dict[str, Any]:
        """All settings but the password."""
        with self.client() as client:
            found: dict[str, Any] = client.config_get("*")
        return found | {"requirepass": ""}

    def renew(self) -> None:
        """Delete everything; nobody who is connected, or knows the password, stays."""
        earlier, password = self.client(), secrets.token_hex(16)
        self.local = replace(self.local, password=password)
        self.local.prepare()
        with earlier as client:
            client.config_set("requirepass", password)
            client.client_kill_filter(_type="normal", skipme=True)
            client.flushall()
            client.script_flush()

    def pause(self) -> None:
        """SIGSTOP: connections are accepted and nothing is answered."""
        assert self._popen is not None
        processes.send(self._popen.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._popen is not None
        processes.send(self._popen.pid, signal.SIGCONT)

    def flush_rq(self) -> None:
        """RQ's keys are gone, as after a FLUSHDB on an RQ of its own."""
        with self.client() as client:
            for key in client.scan_iter(RQ_KEYS):
                client.delete(key)

    def set_maxmemory(self, size: int) -> None:
        """In bytes; 1 refuses every write that needs memory, 0 lifts the limit."""
        with self.client() as client:
            client.config_set("maxmemory", size)

    def refuse_writes(self) -> None:
        """MISCONF for every write, as when its disk is full, until `accept_writes`."""
        (self.local.directory / "dump.rdb").mkdir(exist_ok=True)  # no snapshot gets this name
        with self.client() as client:
            untyped: Any = client
            client.config_set("stop-writes-on-bgsave-error", "yes")
            client.config_set("save", "3600 1")
            if untyped.info()["rdb_last_bgsave_status"] == "ok":
                client.bgsave()
            wait_for("a failure", lambda: untyped.info()["rdb_last_bgsave_status"] == "err")

    def accept_writes(self) -> None:
        with self.client() as client:
            client.config_set("stop-writes-on-bgsave-error", "no")


class RedisServers:
    """A server that a test has left as it was serves the next one: a start takes a while."""

    def __init__(self, make_directory: Callable[[], Path]) -> None:
        self._make_directory = make_directory
        self._idle: list[RedisServer] = []

    @contextmanager
    def one(self) -> Iterator[RedisServer]:
        server = self._idle.pop() if self._idle else RedisServer(self._make_directory())
        pid, configuration = server.pid, server.configuration()
        yield server
        try:
            is_as_before = server.pid == pid and server.configuration() == configuration
            if is_as_before:
                server.renew()
        except RedisError:
            is_as_before = False
        if is_as_before:
            self._idle.append(server)
        else:
            server.kill()

    def close(self) -> None:
        for server in self._idle:
            server.kill()
