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


class ClientSocket:
    """Socket of the current request; without gunicorn the client counts as connected."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = request.environ.get("gunicorn.socket")

    def is_disconnected(self) -> bool:
        """Also true for a client that has only closed its sending side."""
        if self._socket is None:
            return False
        poll = _poll()
        poll.register(self._socket.fileno(), _DISCONNECTED)
        return bool(poll.poll(0))
