"""A redis-py client whose connections lead to a model of Redis in this process."""

from collections import deque
from collections.abc import Callable
from typing import Any

import hiredis
from redis import Redis
from redis.connection import Connection, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from tests.simulation.redis_model import RedisModel

BeforeCommand = Callable[[list[bytes]], None]


class ModelConnection(Connection):
    """Gives commands to a model instead of a socket.

    `before` runs ahead of each command: the simulation switches processes, kills one, or raises
    ConnectionError there.
    """

    def __init__(self, *, model: RedisModel, before: BeforeCommand, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._model, self._before = model, before
        self._replies: deque[Any] = deque()
        self._transaction: list[list[bytes]] | None = None

    def connect(self) -> None:
        """There is nothing to connect to."""

    connect_check_health = check_health = connect  # type: ignore[assignment]

    def disconnect(self, *_args: Any, **_options: Any) -> None:
        """Forget replies that nobody has read."""
        self._replies.clear()
        self._transaction = None

    def can_read(self, *_args: Any, **_options: Any) -> bool:
        return bool(self._replies)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: ARG002
        reader = hiredis.Reader()
        reader.feed(command if isinstance(command, bytes) else b"".join(command))
        while words := reader.gets():  # a command has the form of an answer with an array
            self._replies.append(self._reply(words))

    def _reply(self, words: list[bytes]) -> Any:
        """MULTI and EXEC are one step, as in Redis."""
        name = words[0].upper()
        if name == b"MULTI":
            self._transaction = []
            return b"OK"
        if name == b"EXEC":
            queued, self._transaction = self._transaction or [], None
            self._before(words)
            return [self._model.execute(one) for one in queued]
        if self._transaction is not None:
            self._transaction.append(words)
            return b"QUEUED"
        self._before(words)
        return self._model.execute(words)

    def read_response(self, *_args: Any, **_options: Any) -> Any:
        if not self._replies:
            raise RedisConnectionError("nothing was sent")
        reply = self._replies.popleft()
        if isinstance(reply, ResponseError):
            raise reply
        return reply


def client(model: RedisModel, before: BeforeCommand = lambda _words: None) -> Redis:
    """A client of its own connection pool, as each process has one."""
    pool = ConnectionPool(
        connection_class=ModelConnection, model=model, before=before, protocol=2, driver_info=None
    )
    return Redis(connection_pool=pool)
