"""The socket of a client that waits: whether it has hung up."""

import select
import socket
from typing import Any

from flask import request
from gevent import monkey

# gunicorn reads from the socket: this must only look, in the thread that all requests share.
_poll: Any = monkey.get_original("select", "poll")
_HUNG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR | select.POLLNVAL


class ClientSocket:
    """Of the current request; without gunicorn the client counts as connected."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = request.environ.get("gunicorn.socket")

    def has_hung_up(self) -> bool:
        """A client that has closed its side for sending counts too."""
        if self._socket is None:
            return False
        poll = _poll()
        poll.register(self._socket.fileno(), _HUNG_UP)
        return bool(poll.poll(0))
