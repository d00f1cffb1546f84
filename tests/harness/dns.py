"""A fake resolver for one name."""

import socket
from typing import Any


class FakeResolver:
    """Replacement of socket.getaddrinfo that resolves one name to the next list of addresses."""

    def __init__(self, name: str, *answers: list[str]) -> None:
        self.name, self.answers, self.asked = name, answers, 0
        self._right = socket.getaddrinfo

    def __call__(self, host: Any, port: Any, *args: Any, **options: Any) -> list[Any]:
        if host != self.name:
            return self._right(host, port, *args, **options)
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in answer]
