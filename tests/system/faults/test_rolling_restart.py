"""Every process is replaced in turn under load, as a platform deploys: nobody notices."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.client import Client
from tests.harness.invariants import assert_invariants
from tests.harness.load import CALLBACKS_PER_SECOND, Load
from tests.harness.patience import exit_codes, wait_for
from tests.harness.ports import free_port
from tests.harness.process import Process
from tests.harness.stack import Stack, running_stack
from tests.harness.tcp_proxy import TcpProxy

pytestmark = pytest.mark.slow

EXIT_WITHIN_SECONDS = 30.0
TIMES = 5  # each callback comes so often: four downloads a second are enough


@dataclass
class Platform:
    """A router before the web process, and load that comes through it."""

    stack: Stack
    router: TcpProxy
    load: Load

    def replace_web(self) -> int:
        """The new one answers on a port of its own before the router leads to it."""
        (old,) = self.stack.installation.web
        port = free_port()
        self.stack.installation.start("web", wait=False, PORT=str(port))
        new = Client(f"http://127.0.0.1:{port}")
        wait_for("the new web process", lambda: answers(new), 30)
        self.router.lead_to(port)
        return self._retired(old)

    def replace(self, name: str) -> int:
        (old,) = self.stack.installation.running[name]
        self.stack.installation.start(name)
        return self._retired(old)

    def _retired(self, old: Process) -> int:
        """Stop the old process gracefully, while callbacks keep coming."""
        self.load.goes_on()
        old.terminate()
        (code,) = exit_codes([old], EXIT_WITHIN_SECONDS)
        self.stack.installation.running[old.name].remove(old)
        self.load.goes_on()
        return code


def answers(client: Client) -> bool:
    try:
        return client.get("/healthz").ok
    except OSError:
        return False


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with running_stack(tmp_path, CALLBACK_GRACE="600", WEB_CONCURRENCY="2") as stack:
        stack.sandbox.settings.max_active = 1000
        with TcpProxy(stack.installation.ports[0]) as router:
            load = Load(stack, webhook_url=f"{router.url}/webhooks/bfl", duplicates=TIMES)
            yield Platform(stack, router, load)


def test_a_rolling_restart_costs_no_callback_and_no_job(platform: Platform) -> None:
    stack, load = platform.stack, platform.load
    with load.running():
        load.goes_on()
        codes = [platform.replace_web(), platform.replace("worker"), platform.replace("sweep")]
    assert codes == [0, 0, 0]
    assert len(load.tasks) * TIMES > 3 * CALLBACKS_PER_SECOND
    wait_for("all are acknowledged", lambda: load.acknowledged(load.tasks), 30)
    # Each call was answered with 200 the first time: no 5xx, and nobody found a closed door.
    assert {outcome for task in load.tasks for outcome in load.attempts(task)} == {200}
    stack.client = stack.installation.client(url=platform.router.url)
    for task in load.tasks:
        assert stack.stored(task, 60)["source"] == "callback"
        assert len(stack.objects(task)) == len(stack.deliveries(task)) == 1
    assert len(assert_invariants(stack.installation)) == len(load.tasks)
