"""All tasks, links and counts of the account, behind one lock."""

import time
from collections import Counter, deque
from collections.abc import Callable
from threading import RLock

from tests.sandbox.errors import Refused, refusal
from tests.sandbox.links import Link
from tests.sandbox.observations import Peak, Request
from tests.sandbox.settings import Settings
from tests.sandbox.task import Task

REQUESTS_KEPT = 100_000


class TaskStore:
    """The only place where a task changes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = RLock()
        self._tasks: dict[str, Task] = {}
        self._links: dict[str, Link] = {}
        self._paths: dict[str, Link] = {}
        self._attempts: Counter[str] = Counter()
        self._tries: Counter[str] = Counter()
        self._active: Counter[str] = Counter()
        self._peak: Counter[str] = Counter()
        self._most = 0
        self._refused = 0
        self.requests: deque[Request] = deque(maxlen=REQUESTS_KEPT)

    def attempt(self, key: str) -> int:
        """Count an equal submission; return how many came before it."""
        with self._lock:
            self._attempts[key] += 1
            return self._attempts[key] - 1

    def open(self, task: Task) -> None:
        """Take a slot and the credits for a task; raises Refused."""
        with self._lock:
            if self._settings.credits < max(task.cost, 0.01):
                raise Refused(refusal(402))
            if self._is_full(task.model):
                self._refused += 1
                raise Refused(refusal(429))
            if not task.is_video:
                self._settings.credits -= task.cost
            self._tasks[task.id] = task
            model = task.model
            self._active[model] += 1
            self._peak[model] = max(self._peak[model], self._active[model])
            self._most = max(self._most, self._active.total())

    def _is_full(self, model: str) -> bool:
        limit = self._settings.max_active_by_model.get(model)
        total = self._active.total()
        return total >= self._settings.max_active or (
            limit is not None and self._active[model] >= limit
        )

    def finish(self, task_id: str) -> Task:
        with self._lock:
            task = self._tasks[task_id]
            task.finished_at = time.time()
            self._active[task.model] -= 1
            # BFL charges a video when it is finished.
            if task.is_video:
                self._settings.credits -= task.cost
            return task.copy()

    def find(self, task_id: str) -> Task | None:
        with self._lock:
            task = self._tasks.get(task_id)
            return task and task.copy()

    def tasks(self) -> list[Task]:
        with self._lock:
            return [task.copy() for task in self._tasks.values()]

    def change(self, task_id: str, act: Callable[[Task], None]) -> Task:
        """Apply `act` to the task and return a copy of the task."""
        with self._lock:
            act(self._tasks[task_id])
            return self._tasks[task_id].copy()

    def link(self, task_id: str, n: int, renew: Callable[[Link | None], Link]) -> Link:
        """The task's n-th link, after `renew` has seen it and perhaps made another."""
        with self._lock:
            links = self._tasks[task_id].links
            link = links[n] = renew(links.get(n))
            self._links[link.target] = self._paths[link.path] = link
            return link

    def find_link(self, target: str) -> Link | None:
        """Find a link by its exact target, byte for byte."""
        with self._lock:
            return self._links.get(target)

    def link_at(self, path: str) -> Link | None:
        with self._lock:
            return self._paths.get(path)

    def next_try(self, task_id: str) -> int:
        """Count a valid request for media of this task; return how many came before it."""
        with self._lock:
            self._tries[task_id] += 1
            return self._tries[task_id] - 1

    def peak(self) -> Peak:
        with self._lock:
            return Peak(self._active.total(), self._most, dict(self._peak), self._refused)
