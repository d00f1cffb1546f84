"""Callbacks at a steady pace, for tests that restart things under load."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.harness.installation import WEBHOOK_SECRET
from tests.harness.patience import wait_for
from tests.harness.stack import Stack
from tests.sandbox import Task

CALLBACKS_PER_SECOND = 20
DUPLICATES = 2  # each callback comes twice, so that two workers keep up


@dataclass
class Load:
    """BFL at work: one task after the other, each with the webhook secret of its time."""

    stack: Stack
    secret: str = WEBHOOK_SECRET
    webhook_url: str | None = None
    duplicates: int = DUPLICATES
    per_second: int = CALLBACKS_PER_SECOND
    tasks: list[Task] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._run, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _run(self, over: threading.Event) -> None:
        while not over.wait(self.duplicates / self.per_second):
            task = self.stack.sandbox.submit(
                webhook_url=self.webhook_url or self.stack.webhook_url,
                webhook_secret=self.secret,
                switches={"seconds": 0.01, "callback": self.duplicates, "format": "mp4"},
            )
            self.tasks.append(task)

    def goes_on(self, callbacks: int | None = None) -> None:
        """Returns once so many more have been sent, or those of a second."""
        wanted = len(self.tasks) + (callbacks or self.per_second) // self.duplicates
        wait_for("more load", lambda: len(self.tasks) >= wanted)

    def with_secret(self, secret: str) -> list[Task]:
        return [task for task in list(self.tasks) if task.webhook_secret == secret]

    def attempts(self, task: Task) -> list[int | str]:
        return [callback.outcome for callback in self.stack.sandbox.task(task.id).callbacks]

    def acknowledged(self, tasks: list[Task]) -> bool:
        return all(self.attempts(task).count(200) == self.duplicates for task in tasks)
