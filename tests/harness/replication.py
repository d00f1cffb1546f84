"""A primary and a replica behind one address, with a replication link that can be cut."""

from dataclasses import replace
from pathlib import Path

from tests.harness.closing import Closing
from tests.harness.patience import wait_for
from tests.harness.redis_server import RedisServer
from tests.harness.tcp_proxy import TcpProxy


class ReplicatedRedis(Closing):
    """`url` leads to the primary; `switch_over` makes the replica the primary behind it."""

    def __init__(self, directory: Path) -> None:
        self.primary = RedisServer(directory / "primary")
        self.replica = RedisServer(directory / "replica")
        self.link = TcpProxy(self.primary.port)
        self.address = TcpProxy(self.primary.port)
        pair(self.primary, self.replica)
        follow(self.replica, self.link.port)
        wait_for("the replica is in step", self.is_replicated)

    @property
    def url(self) -> str:
        return self.primary.url_through(self.address.port)

    def is_replicated(self) -> bool:
        with self.primary.client() as client:
            return bool(client.wait(1, 500))

    def switch_over(self, *, can_follow: bool = True) -> None:
        """A planned failover: the old primary becomes a replica, its connections stay open.

        If it cannot follow the new primary, for want of its password, its data stay as they are.
        """
        self.primary, self.replica = self.replica, self.primary
        with self.primary.client() as client:
            client.replicaof("NO", "ONE")
        if not can_follow:
            with self.replica.client() as client:
                client.config_set("masterauth", "wrong")
        follow(self.replica, self.primary.port)
        self.address.lead_to(self.primary.port)

    def fail_over(self) -> None:
        """The primary is killed, and its replica takes its place."""
        self.primary.kill()
        self.primary, self.replica = self.replica, self.primary
        with self.primary.client() as client:
            client.replicaof("NO", "ONE")
        self.address.lead_to(self.primary.port)

    def rejoin(self) -> None:
        """Start the killed primary again, as the replica of the new one."""
        self.replica.start()
        with self.replica.client() as client:
            client.config_set("masterauth", self.primary.local.password)
        follow(self.replica, self.primary.port)

    def close(self) -> None:
        self.address.close()
        self.link.close()
        self.primary.kill()
        self.replica.kill()


def pair(primary: RedisServer, replica: RedisServer) -> None:
    """One password for both: after a failover nobody tells the clients another one."""
    password = primary.local.password
    for server in (primary, replica):
        with server.client() as client:
            client.config_set("repl-diskless-sync-delay", 0)  # no other replica will come
            client.config_set("masterauth", password)
            client.config_set("requirepass", password)
    replica.local = replace(replica.local, password=password)


def follow(server: RedisServer, port: int) -> None:
    with server.client() as client:
        client.replicaof("127.0.0.1", str(port))
