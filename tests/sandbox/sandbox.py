"""The sandbox as one object: start it, submit to it, look at what it saw."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from tests.sandbox.controls import bent
from tests.sandbox.media import media_of
from tests.sandbox.observations import Callback, Peak, Request
from tests.sandbox.server import Server
from tests.sandbox.settings import Settings
from tests.sandbox.studio import Studio
from tests.sandbox.submission import read_submission
from tests.sandbox.switches import Switches
from tests.sandbox.task import Task


class Sandbox:
    """A BFL of one's own: `with Sandbox() as box:` runs it on a free port of 127.0.0.1."""

    def __init__(
        self, settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.settings = settings or Settings()
        self._studio = Studio(self.settings)
        self._server = Server(host, port, self._studio)
        name = "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104 - compared, not bound
        self.url = f"http://{name}:{self._server.port}"

    def start(self) -> Self:
        self._studio.start(self.url)
        self._server.start()
        return self

    def stop(self) -> None:
        self._server.stop()
        self._studio.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
        """What `POST /v1/<model>` does, without HTTP and without a key; raises Refused."""
        body = {"prompt": prompt, "sandbox": dict(switches or {}), **more}
        webhook = {"webhook_url": webhook_url, "webhook_secret": webhook_secret}
        body |= {name: value for name, value in webhook.items() if value is not None}
        return self._studio.open(read_submission(model, body, strict=self.settings.strict))

    def behave(self, **switches: Any) -> None:
        """From now on, towards submissions without switches: those of clients that know none."""
        self._studio.usual = bent(switches)(self._studio.usual)

    def forget_behaviour(self) -> None:
        """A good day again."""
        self._studio.usual = Switches()

    def call_back(self, task_id: str, **switches: Any) -> Callback:
        """One more callback, now, with some of the task's switches changed for this time."""
        return self._studio.call_back_now(self.task(task_id), bent(switches))

    def task(self, task_id: str) -> Task:
        task = self._studio.ledger.find(task_id)
        if task is None:
            raise KeyError(task_id)
        return task

    def tasks(self) -> list[Task]:
        return self._studio.ledger.tasks()

    def picture(self, task_id: str, n: int = 0) -> bytes:
        """Exactly what is delivered, held whole in memory."""
        return media_of(self.task(task_id), n).whole()

    @property
    def requests(self) -> list[Request]:
        """Everything that came over HTTP, except what went to `/sandbox/`."""
        return list(self._studio.ledger.requests.copy())

    @property
    def peak(self) -> Peak:
        return self._studio.ledger.peak()
