"""A Redis with a replica, and a Sentinel that makes the replica the primary when the first dies."""

from pathlib import Path
from typing import Any

from redis import Redis

from deploy.local_redis import server_program
from deploy.procfile import environment
from tests.harness.patience import wait_for
from tests.harness.ports import free_port
from tests.harness.process import Process
from tests.harness.redis_server import RedisServer
from tests.harness.replication import follow, pair

SERVICE = "keep"
PASSWORD = "sentinel-password-canary"
_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
sentinel monitor {service} 127.0.0.1 {primary} 1
sentinel auth-pass {service} {redis_password}
sentinel down-after-milliseconds {service} 1000
sentinel failover-timeout {service} 5000
"""


class Watched:
    """`primary` is killed to see what happens; then `replica` takes its place."""

    def __init__(self, directory: Path) -> None:
        self.primary = RedisServer(directory / "primary")
        self.replica = RedisServer(directory / "replica")
        pair(self.primary, self.replica)
        follow(self.replica, self.primary.port)
        self.port = free_port()
        self._sentinel = self._watch(directory / "sentinel")
        wait_for("Sentinel knows the replica", self._knows_the_replica)

    @property
    def url(self) -> str:
        """By two Sentinels, of which the first is not there."""
        user = f"redis+sentinel://:{self.primary.local.password}@"
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{self.port}"
        return f"{user}{hosts}/{SERVICE}/0?sentinel_password={PASSWORD}"

    def close(self) -> None:
        self._sentinel.kill_all()
        self.primary.kill()
        self.replica.kill()

    def _watch(self, directory: Path) -> Process:
        directory.mkdir()
        configuration = directory / "sentinel.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                port=self.port,
                password=PASSWORD,
                service=SERVICE,
                primary=self.primary.port,
                redis_password=self.primary.local.password,
            )
        )
        command = [server_program(), str(configuration), "--sentinel"]
        return Process("sentinel", command, environment({}), directory / "log", directory)

    def _knows_the_replica(self) -> bool:
        client: Any = Redis(port=self.port, password=PASSWORD, socket_timeout=5)
        with client:
            try:
                replicas = client.sentinel_slaves(SERVICE)
            except ConnectionError:
                return False
            return any(one["port"] == self.replica.port for one in replicas)
