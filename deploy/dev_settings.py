"""Settings of `make run`: whatever is not given is made once and kept in var/run.env.

The processes that `make run` starts and the command line read that file by themselves
(`jobs/config/environment.py`); the environment and `.env` win over it. A shell can source it.
"""

import base64
import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from deploy.local_redis import LocalRedis, is_free, same_port
from deploy.procfile import ROOT
from jobs.config import settings
from jobs.config.api_keys import Scope
from jobs.config.environment import RUN_FILE
from jobs.config.settings import Settings

VAR = ROOT / "var"
# Given to `make run` alone, and needed by the command line in another shell. No secret is kept.
CARRIED = ("PORT", "LISTEN_HOST", "PUBLIC_URL", "MEDIA_URL", "BFL_API_URL")


class CannotStart(Exception):
    """`make run` cannot start; the message says why and what to do."""


@dataclass(frozen=True)
class DevSettings:
    """Everything that is decided before the first process is started."""

    settings: Settings
    redis: LocalRedis | None  # None when REDIS_URL is given
    sandbox_port: int | None  # None when there is a BFL to talk to
    made_keys: bool  # False when API_KEYS is given

    @property
    def sandbox_url(self) -> str | None:
        return f"http://127.0.0.1:{self.sandbox_port}" if self.sandbox_port else None

    def key(self, scope: Scope) -> str:
        """The first key with this scope; the first key of all when there is none."""
        keys = self.settings.api_keys
        found = next((one for one in keys if one.scope == scope), keys[0])
        return found.key.get_secret_value()

    @property
    def url(self) -> str:
        """Address of the web process on this machine."""
        host = self.settings.listen_host
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared only
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self.settings.port}"


@contextmanager
def locked_data_directory() -> Iterator[int]:
    """Lock var/ for one `make run`; yields the lock's file descriptor. Raises CannotStart."""
    VAR.mkdir(exist_ok=True)
    with (VAR / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(
                "another `make run`, or a process left by one that was killed, is using var/; "
                "stop that first"
            ) from None
        yield lock.fileno()


def prepare() -> DevSettings:
    """Read what is given and make the rest. Raises CannotStart and InvalidSettings."""
    path = ROOT / RUN_FILE
    given = {name: value or "" for name, value in (dotenv_values(".env") | os.environ).items()}
    kept = {name: value for name, value in dotenv_values(path).items() if value}
    made = _secrets() | {name: kept[name] for name in _secrets().keys() & kept.keys()}
    made |= {"LISTEN_HOST": "127.0.0.1", "LOG_FORMAT": "text"}
    redis = None
    if not is_set(given, "REDIS_URL"):
        redis = LocalRedis.at(VAR / "redis", kept.get("REDIS_URL", ""))
        made["REDIS_URL"] = redis.url
    sandbox_port = None
    if not is_set(given, "BFL_API_KEY") and not is_set(given, "BFL_SANDBOX_URL"):
        sandbox_port = same_port(kept.get("BFL_SANDBOX_URL", ""))
        made["BFL_SANDBOX_URL"] = f"http://127.0.0.1:{sandbox_port}"
    made |= {name: given[name] for name in CARRIED if given.get(name)}
    own = {name: value for name, value in made.items() if not is_set(given, name)}
    read = settings.load(given | own)
    if read.port == 0 or not is_free(read.port, read.listen_host):
        raise CannotStart(f"port {read.port} cannot be used; name another: make run PORT=8001")
    prepared = DevSettings(read, redis, sandbox_port, made_keys="API_KEYS" in own)
    _write(path, made | _shell_variables(prepared))
    return prepared


def is_set(given: Mapping[str, str], name: str) -> bool:
    """Whether a setting has a value, or a file that holds it."""
    return bool(given.get(name) or given.get(f"{name}_FILE"))


def _secrets() -> dict[str, str]:
    admin, app = (secrets.token_urlsafe(18) for _ in range(2))
    return {
        "WEBHOOK_SECRET": secrets.token_urlsafe(24),
        "SECRET_KEY": secrets.token_urlsafe(32),
        "API_KEYS": f"admin:{admin}:admin,app:{app}:submit",
        "NOTIFY_SECRET": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
    }


def _shell_variables(given: DevSettings) -> dict[str, str]:
    """Variables of README's examples. A key that was given is not copied to the file."""
    variables = {
        "FLUXKEEP_URL": given.settings.base_url,
        "BFL_URL": given.sandbox_url or str(given.settings.bfl_origin),
    }
    return variables | ({"FLUXKEEP_KEY": given.key("submit")} if given.made_keys else {})


def _write(path: Path, values: Mapping[str, str]) -> None:
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))
