"""What `make run` starts: what is set stays as it is, and what is missing is found or made."""

import fcntl
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from dotenv import dotenv_values

from deploy import procfile
from deploy.dev_keys import is_set, missing_secrets
from deploy.local_redis import LocalRedis, free_port
from deploy.procfile import ROOT
from jobs import settings
from jobs.settings import Settings

VAR = ROOT / "var"
SANDBOX_PORT = 9100


class CannotStart(Exception):
    """Something is in the way; the message says what, and how to go on."""


@dataclass(frozen=True)
class SandboxPlan:
    """A local BFL that calls our web process back."""

    port: int
    webhook_url: str
    webhook_secret: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def command(self) -> list[str]:
        # In one word: a secret may begin with a dash.
        webhook = [f"--webhook-url={self.webhook_url}", f"--webhook-secret={self.webhook_secret}"]
        return ["python", "-m", "tests.sandbox", "--port", str(self.port), *webhook]


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before the first process is started."""

    environment: dict[str, str]
    settings: Settings
    redis: LocalRedis | None
    sandbox: SandboxPlan | None
    keys_made_here: bool

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"


@contextmanager
def claim() -> Iterator[None]:
    """Two at once would write to the same data. Raises CannotStart."""
    VAR.mkdir(exist_ok=True)
    with (VAR / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart("another `make run` is using var/; stop that one first") from None
        yield


def make_plan() -> Plan:
    """From the environment and `.env`. Raises CannotStart and InvalidSettings."""
    given = {name: value or "" for name, value in (dotenv_values(".env") | os.environ).items()}
    own = missing_secrets(given, VAR / "dev.env")
    if not is_set(given, "LOG_FORMAT"):
        own["LOG_FORMAT"] = "text"  # a person reads it, through a pipe
    redis = None if is_set(given, "REDIS_URL") else LocalRedis(VAR / "redis")
    if redis is not None:
        own["REDIS_URL"] = redis.url
    sandbox_port = _sandbox_port(given)
    if sandbox_port is not None:
        own["BFL_SANDBOX_URL"] = f"http://127.0.0.1:{sandbox_port}"
    read = settings.load(given | own)
    _require_free(read.port)
    return Plan(
        environment=procfile.environment(own),
        settings=read,
        redis=redis,
        sandbox=_sandbox(sandbox_port, read),
        keys_made_here="API_KEYS" in own,
    )


def _sandbox_port(given: Mapping[str, str]) -> int | None:
    """None when there is a BFL to talk to: the real one, or a sandbox that runs already."""
    if is_set(given, "BFL_API_KEY") or is_set(given, "BFL_SANDBOX_URL"):
        return None
    return SANDBOX_PORT if _is_free("127.0.0.1", SANDBOX_PORT) else free_port()


def _sandbox(port: int | None, read: Settings) -> SandboxPlan | None:
    if port is None:
        return None
    secret = read.webhook_secret[0].get_secret_value()
    return SandboxPlan(port, f"http://127.0.0.1:{read.port}/webhooks/bfl", secret)


def _require_free(port: int) -> None:
    # The web process binds it later; here a busy one is said in one sentence.
    if port == 0 or not _is_free("0.0.0.0", port):  # noqa: S104 - only tried out
        raise CannotStart(f"port {port} cannot be used; name another: make run PORT=8001")


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
