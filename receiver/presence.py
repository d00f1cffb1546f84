"""Whether the client is still there, which a request that only waits would not find out."""

import select
import socket
from typing import Any

from flask import request
from gevent import monkey

# Another reader of a socket would take bytes from gunicorn; this only looks.
_poll: Any = monkey.get_original("select", "poll")
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR | select.POLLNVAL

STALLED_SECONDS = 30.0


class Presence:
    """The client of the current request; without gunicorn it is taken to be there."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = request.environ.get("gunicorn.socket")

    def gone(self) -> bool:
        """It hung up, or will not say any more, which nobody does who waits for an answer."""
        if self._socket is None:
            return False
        look = _poll()
        look.register(self._socket.fileno(), _GONE)
        return bool(look.poll(0))

    def must_read(self) -> None:
        """From now on the connection ends when the client takes nothing for a while."""
        if self._socket is not None:
            self._socket.settimeout(STALLED_SECONDS)
