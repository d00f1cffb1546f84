"""One terminal for many processes: each line with the name of who said it."""

import os
import sys
import threading
from typing import IO, TextIO

_COLOURS = (36, 33, 32, 35, 34, 31)
_NAME_WIDTH = 8


class Console:
    """Writes whole lines, one at a time, in colour where somebody is looking."""

    def __init__(self, output: TextIO = sys.stdout) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._coloured = output.isatty() and "NO_COLOR" not in os.environ
        self._seen: list[str] = []

    def say(self, text: str = "") -> None:
        """Lines of our own, without a name."""
        with self._lock:
            self._output.write(f"{text}\n")
            self._output.flush()

    def follow(self, name: str, lines: IO[bytes]) -> threading.Thread:
        """Write what a process says until nobody is left who could say anything."""
        thread = threading.Thread(target=self._copy, args=(name, lines), daemon=True)
        thread.start()
        return thread

    def _copy(self, name: str, lines: IO[bytes]) -> None:
        prefix = self._prefix(name)
        with lines:
            for line in lines:
                self.say(prefix + line.decode(errors="replace").rstrip())

    def _prefix(self, name: str) -> str:
        if name not in self._seen:
            self._seen.append(name)
        label = f"{name:<{_NAME_WIDTH}}| "
        colour = _COLOURS[self._seen.index(name) % len(_COLOURS)]
        return f"\x1b[{colour}m{label}\x1b[0m" if self._coloured else label
