"""Connections to a server, as Linux lists them: which of them it holds."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
OPEN_STATES = ("01", "08")  # established; closed by the client and not yet by the server


class _Row(NamedTuple):
    """One end of a connection."""

    local_port: int
    remote_port: int
    state: str
    unread_bytes: int
    inode: int


def held_connections(server_port: int, client_ports: Iterable[int]) -> set[int]:
    """Of these clients' ports those whose connection the server has accepted, and not closed.

    It has also read everything that came by them.
    """
    wanted = frozenset(client_ports)
    return {
        row.remote_port
        for row in _rows()
        if row.local_port == server_port and row.remote_port in wanted and _is_held(row)
    }


def _is_held(row: _Row) -> bool:
    # The kernel numbers a socket when its process takes it from the backlog.
    is_accepted = row.inode != 0
    return is_accepted and row.state in OPEN_STATES and not row.unread_bytes


def _rows() -> Iterable[_Row]:
    for table in map(Path, TABLES):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            _, local, remote, state, queues, *fields = line.split()
            yield _Row(
                local_port=_port(local),
                remote_port=_port(remote),
                state=state,
                unread_bytes=int(queues.partition(":")[2], 16),
                inode=int(fields[4]),
            )


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
