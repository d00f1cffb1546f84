"""A redis-py client whose connections lead to a model of Redis in this process."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from redis import Redis
from redis.connection import Connection, ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from tests.simulation.redis_data import ReplyError
from tests.simulation.redis_model import RedisModel

BeforeCommand = Callable[[list[bytes]], None]
_ERRORS = {"NOSCRIPT": NoScriptError, "READONLY": ReadOnlyError}


class ModelConnection(Connection):
    """Sends packed commands to a model instead of a socket.

    `before` runs ahead of each command: the simulation switches processes, kills one, or raises
    ConnectionError there.
    """

    def __init__(self, *, model: RedisModel, before: BeforeCommand, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self._model = model
        self._before = before
        self._replies: deque[Any] = deque()
        self._transaction: list[list[bytes]] | None = None

    def connect(self) -> None:
        """There is nothing to connect to."""

    def connect_check_health(self, *_args: Any, **_options: Any) -> None:
        """The same."""

    def check_health(self) -> None:
        """The same."""

    def disconnect(self, *_args: Any, **_options: Any) -> None:
        """Forget replies that nobody has read."""
        self._replies.clear()
        self._transaction = None

    def can_read(self, *_args: Any, **_options: Any) -> bool:
        return bool(self._replies)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: ARG002
        packed = b"".join([command] if isinstance(command, bytes) else list(command))
        for words in _unpacked(packed):
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
            return [self._executed(one) for one in queued]
        if self._transaction is not None:
            self._transaction.append(words)
            return b"QUEUED"
        self._before(words)
        return self._executed(words)

    def _executed(self, words: list[bytes]) -> Any:
        try:
            return self._model.execute(words)
        except ReplyError as error:
            code = str(error).split(" ", 1)[0]
            return _ERRORS.get(code, ResponseError)(str(error))

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


def _unpacked(packed: bytes) -> Iterable[list[bytes]]:
    at = 0
    while at < len(packed):
        count, at = _number(packed, at + 1)
        words = []
        for _ in range(count):
            size, at = _number(packed, at + 1)
            words.append(packed[at : at + size])
            at += size + 2
        yield words


def _number(packed: bytes, at: int) -> tuple[int, int]:
    end = packed.index(b"\r\n", at)
    return int(packed[at:end]), end + 2
