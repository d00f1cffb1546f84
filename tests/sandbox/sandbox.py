"""The sandbox as one object: start it, submit tasks, read its observations."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from tests.sandbox.engine import Engine
from tests.sandbox.media import media_of
from tests.sandbox.observations import Callback, Peak, Request
from tests.sandbox.server import Server
from tests.sandbox.settings import Settings
from tests.sandbox.switches import Switches
from tests.sandbox.task import Task

END_SECONDS = 30.0
POLL_SECONDS = 0.02


class Sandbox:
    """A local BFL: `with Sandbox() as sandbox:` runs it on a free port of 127.0.0.1.

    Without `clusters` one host knows all tasks. With them it knows none: each task lives on one
    cluster, with an origin of its own, and the other hosts answer 404 for it.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clusters: int = 0,
    ) -> None:
        self.settings = settings or Settings()
        self._engine = Engine(self.settings)
        # The ports of the clusters follow that of the global host, unless it is any free one.
        self._servers = [
            Server(host, port + number if port else 0, self._engine, number)
            for number in range(clusters + 1)
        ]
        name = "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104 - compared, not bound
        self.urls = [f"http://{name}:{server.port}" for server in self._servers]
        self.url = self.urls[0]

    @property
    def setting(self) -> str:
        """The value of BFL_SANDBOX_URL."""
        return ",".join(self.urls)

    def start(self) -> Self:
        self._engine.origins = self.urls
        for server in self._servers:
            server.start()
        return self

    def stop(self) -> None:
        for server in self._servers:
            server.stop()
        self._engine.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def submit(
        self,
        model: str = "flux-2-pro",
        *,
        prompt: str = "a lighthouse at dawn",
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        switches: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Task:
        """Create a task without HTTP, key and checks of its body. Raises Refused."""
        body = {"prompt": prompt, "sandbox": dict(switches or {}), **more}
        webhook = {"webhook_url": webhook_url, "webhook_secret": webhook_secret}
        body |= {name: value for name, value in webhook.items() if value is not None}
        return self._engine.open(self._engine.read(model, body, is_checked=False))

    def set_default_switches(self, **switches: Any) -> None:
        """Set the switches of submissions that have none, such as those of third-party clients."""
        self._engine.default_switches = replace(self._engine.default_switches, **switches)

    def reset_default_switches(self) -> None:
        """Remove the default switches."""
        self._engine.default_switches = Switches()

    def publish(self, document: bytes) -> None:
        """Publish another document at `/openapi.json`, and check bodies by it if it is one."""
        self._engine.publish(document)

    def call_back(self, task_id: str, **switches: Any) -> Callback:
        """Send one more callback when the task has ended, with some switches changed for it."""
        until = time.monotonic() + END_SECONDS
        while self.task(task_id).active and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        return self._engine.call_back_now(self.task(task_id), switches)

    def task(self, task_id: str) -> Task:
        task = self._engine.store.find(task_id)
        if task is None:
            raise KeyError(task_id)
        return task

    def tasks(self) -> list[Task]:
        return self._engine.store.tasks()

    def file(self, task_id: str, n: int = 0) -> bytes:
        """Return the bytes of a delivered file."""
        return media_of(self.task(task_id), n).whole()

    @property
    def requests(self) -> list[Request]:
        """All HTTP requests except those to `/sandbox/`."""
        return list(self._engine.store.requests.copy())

    @property
    def peak(self) -> Peak:
        return self._engine.store.peak()
