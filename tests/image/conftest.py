"""Fixtures of the tests of the image: one installation by Docker Compose, and a sandbox for it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.procfile import ROOT
from tests.harness.patience import wait_for
from tests.image.compose import SANDBOX_PORT, Compose, relay_sandbox
from tests.sandbox import Sandbox

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs an engine where `make image` has not started one."""
    if os.environ.get("IMAGE_TESTS") == "yes":
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip("`make image` runs it, with a Docker of its own"))


@pytest.fixture(scope="session")
def sandbox_socket(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Iterator[Path]:
    """A Unix socket that leads to a sandbox."""
    socket = tmp_path_factory.mktemp("sandbox") / "socket"
    port = sandbox.url.rpartition(":")[2]
    command = [sys.executable, "-m", "tests.image.relay", "unix", str(socket), port]
    relay = subprocess.Popen(command, cwd=ROOT)
    wait_for("the relay listens", socket.exists)
    yield socket
    relay.kill()
    relay.wait()


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(port=SANDBOX_PORT) as running:
        yield running


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory, sandbox_socket: Path) -> Iterator[Compose]:
    """An installation that was started by the documented command, with a sandbox for BFL."""
    installation = Compose(tmp_path_factory.mktemp("compose") / "fluxkeep")
    installation.run("down", "--volumes")  # of a run that was killed
    installation.succeed("up", "--detach", "--build")
    relays = RelayedContainers(installation, sandbox_socket)
    relays.follow()
    installation.wait_until_ready()
    yield installation
    relays.stop()
    installation.succeed("down", "--volumes", "--timeout", "10")


@pytest.fixture
def relays(compose: Compose, sandbox_socket: Path) -> Iterator["RelayedContainers"]:
    """Relays for containers that a test makes."""
    made = RelayedContainers(compose, sandbox_socket)
    yield made
    made.stop()


class RelayedContainers:
    """Containers whose loopback has the sandbox."""

    def __init__(self, compose: Compose, socket: Path) -> None:
        self._compose = compose
        self._socket = socket
        self._relays: list[subprocess.Popen[bytes]] = []

    def follow(self) -> None:
        """Relay to the containers of now."""
        self.stop()
        for container in self._compose.containers("web", "worker", "sweep"):
            self._relays.append(relay_sandbox(container, self._socket))

    def stop(self) -> None:
        for relay in self._relays:
            relay.kill()
            relay.wait()
        self._relays.clear()
