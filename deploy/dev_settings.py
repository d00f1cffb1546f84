"""Settings of `make run`: missing values are generated once and saved in var/run.env.

The processes of `make run` and the command line read that file
(`jobs/config/environment.py`); the environment and `.env` override it. A shell can source it.
"""

import base64
import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from deploy.local_redis import LOOPBACK, LocalRedis, first_free_port, is_free, reusable_port
from deploy.procfile import ROOT
from jobs.config import environment, settings
from jobs.config.api_keys import Scope
from jobs.config.environment import RUN_FILE
from jobs.config.settings import Settings
from jobs.net.urls import Origin

VAR = ROOT / "var"
# Saved for the command line in another shell, which does not see the environment of `make run`.
SAVED = ("PORT", "LISTEN_HOST", "PUBLIC_URL", "MEDIA_URL", "BFL_API_URL")


class CannotStart(Exception):
    """`make run` cannot start; the message holds the reason and the remedy."""


@dataclass(frozen=True)
class DevSettings:
    """Settings, Redis and sandbox of one `make run`."""

    settings: Settings
    redis: LocalRedis | None  # None when REDIS_URL is given
    sandbox: Origin | None  # None when BFL_API_KEY or BFL_SANDBOX_URL is given
    has_generated_keys: bool  # False when API_KEYS is given

    def key(self, scope: Scope) -> str:
        """The first key with this scope; the first key of all when there is none."""
        keys = self.settings.api_keys
        found = next((one for one in keys if one.scope == scope), keys[0])
        return found.key.get_secret_value()

    @property
    def url(self) -> str:
        """Address of the web process on this machine."""
        host = self.settings.listen_host
        address = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared only
        return f"http://{f'[{address}]' if ':' in address else address}:{self.settings.port}"


@contextmanager
def locked_data_directory() -> Iterator[int]:
    """Lock var/ for one `make run`; yields the lock's file descriptor. Raises CannotStart.

    The file names the launcher's process, its URL, and the processes that it started.
    """
    VAR.mkdir(exist_ok=True)
    with (VAR / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            words = lock.read().split()
            if len(words) < 2:
                raise CannotStart("another `make run` is starting in this folder") from None
            launcher, url, *started = words
            try:
                os.kill(int(launcher), 0)
            except ProcessLookupError:
                raise CannotStart(
                    "a `make run` that was killed left processes in this folder; stop them: "
                    f"kill {' '.join(started)}"
                ) from None
            raise CannotStart(
                f"another `make run` works in this folder (process {launcher}, {url}); "
                f"press Ctrl-C there, or: kill {launcher}"
            ) from None
        lock.truncate(0)
        yield lock.fileno()


def prepare() -> DevSettings:
    """Load the given settings and generate missing ones. Raises CannotStart, InvalidSettings."""
    given = environment.read_file(".env") | environment.stripped(os.environ)
    saved = environment.read_file(RUN_FILE)
    has_redis = not is_set(given, "REDIS_URL")
    redis = LocalRedis.at(VAR / "redis", saved.get("REDIS_URL", "")) if has_redis else None
    has_sandbox = not is_set(given, "BFL_API_KEY") and not is_set(given, "BFL_SANDBOX_URL")
    generated = _generate(saved, redis, has_sandbox=has_sandbox)
    # Not beside a Redis that is given: its jobs would be taken out of it, into a file here.
    if redis and not is_set(given, "DATABASE_URL"):
        generated["DATABASE_URL"] = (
            (VAR / "archive.db").as_uri().replace("file://", "sqlite:///", 1)
        )
    generated["PORT"] = str(first_free_port(given.get("LISTEN_HOST") or LOOPBACK))
    generated |= {name: given[name] for name in SAVED if given.get(name)}
    missing = {name: value for name, value in generated.items() if not is_set(given, name)}
    loaded = settings.load(given | missing)
    if loaded.port == 0 or not is_free(loaded.port, loaded.listen_host):
        raise CannotStart(
            f"port {loaded.port} cannot be used; name another, or leave PORT out: "
            "then the next free one is taken"
        )
    sandbox = loaded.bfl_sandbox_url[0] if has_sandbox else None
    dev = DevSettings(loaded, redis, sandbox, has_generated_keys="API_KEYS" in missing)
    # Variables of README's examples. A key that was given is not copied to the file.
    generated |= {"FLUXKEEP_URL": loaded.base_url, "BFL_URL": str(sandbox or loaded.bfl_origin)}
    if dev.has_generated_keys:
        generated["FLUXKEEP_KEY"] = dev.key("submit")
    path = ROOT / RUN_FILE
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}='{value}'\n" for name, value in generated.items()))
    return dev


def is_set(given: Mapping[str, str], name: str) -> bool:
    """Whether a setting has a value or a file with its value."""
    return bool(given.get(name) or given.get(f"{name}_FILE"))


def _generate(
    saved: Mapping[str, str], redis: LocalRedis | None, *, has_sandbox: bool
) -> dict[str, str]:
    """Values for settings that are not given; secrets and a free port stay as they were saved."""
    admin, app = (secrets.token_urlsafe(18) for _ in range(2))
    new = {
        "WEBHOOK_SECRET": secrets.token_urlsafe(24),
        "SECRET_KEY": secrets.token_urlsafe(32),
        "API_KEYS": f"admin:{admin}:admin,app:{app}:submit",
        "NOTIFY_SECRET": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
    }
    values = {name: saved.get(name) or value for name, value in new.items()}
    media = (VAR / "media").as_uri()
    values |= {"LISTEN_HOST": LOOPBACK, "LOG_FORMAT": "text", "MEDIA_URL": media}
    if redis:
        values["REDIS_URL"] = redis.url
    if has_sandbox:
        port = reusable_port(saved.get("BFL_SANDBOX_URL", ""))
        values["BFL_SANDBOX_URL"] = f"http://127.0.0.1:{port}"
    return values
