"""Client socket of a waiting request: detect that the client has disconnected."""

import select
import socket
from typing import Any

from flask import request
from gevent import monkey

CHECK_SECONDS = 1.0  # between two checks of the connection and of the process's shutdown

# Only poll: gunicorn reads from this socket. gevent's own poll would switch greenlets.
_poll: Any = monkey.get_original("select", "poll")
_DISCONNECTED = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR | select.POLLNVAL


def client_socket() -> socket.socket | None:
    """Socket of the current request; without gunicorn the client counts as connected."""
    found: socket.socket | None = request.environ.get("gunicorn.socket")
    return found


def is_disconnected(client: socket.socket | None) -> bool:
    """Also true for a client that has only closed its sending side."""
    if client is None:
        return False
    poll = _poll()
    poll.register(client.fileno(), _DISCONNECTED)
    return bool(poll.poll(0))
