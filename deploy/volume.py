"""Everything that one container keeps on its volume: secrets, Redis, database and media.

`python -m deploy.volume` prepares the directory that DATA_DIR names and prints what `deploy.all`
needs, as JSON. It is a process of its own because the supervisor stays small.
"""

import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from jobs.config import environment, settings
from jobs.config.settings import Settings
from jobs.domain.errors import InvalidSettings
from jobs.signing import LOGIN_SECONDS, LoginSigner

ADMIN = "admin"
SOCKET_PATH_MAX_BYTES = 107  # of Linux
MEMORY_MIN_BYTES = 64 * 2**20
MEMORY_MAX_BYTES = 2**30
MEMORY_SHARE = 4  # a quarter of the container's is for Redis
CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
# A disk of these platforms without a volume is lost with each deployment.
EPHEMERAL_PLATFORMS = ("DYNO", "RENDER", "RAILWAY_ENVIRONMENT_ID", "FLY_APP_NAME")
CONTAINER_FILESYSTEMS = ("overlay", "aufs", "tmpfs", "fuse.fuse-overlayfs")
MOUNTS = Path("/proc/self/mounts")
CONSENT = "ALLOW_EPHEMERAL"

_REDIS_CONFIGURATION = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {directory}
appendonly yes
appendfsync everysec
maxmemory {maxmemory}
maxmemory-policy noeviction
save ""
loglevel warning
databases 1
daemonize no
"""


class VolumeRefused(Exception):
    """The directory cannot keep what it is to keep; the message holds the remedy."""


def prepare(directory: Path, environ: Mapping[str, str]) -> tuple[Settings, bool]:
    """Make what is missing; return the settings, and whether the installation is new.

    Raises VolumeRefused and InvalidSettings.
    """
    configured = environment.stripped(environ)
    path = directory / environment.VOLUME_FILE
    _make(directory)
    is_new = not path.exists()
    variables = _variables(directory, environment.read_file(str(path)))
    kept = [name for name in variables if not is_set(configured, name)]
    _require_lasting(directory, kept, configured)
    effective = {name: variables[name] for name in kept} | configured
    loaded = settings.load(effective)
    _save(path, variables)
    return loaded, is_new and "API_KEYS" in kept


def is_set(variables: Mapping[str, str], name: str) -> bool:
    """Whether a setting has a value or a file with its value."""
    return bool(variables.get(name) or variables.get(f"{name}_FILE"))


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VolumeRefused(f"DATA_DIR cannot be made: {error.strerror}") from None
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        raise VolumeRefused(f"DATA_DIR cannot be written by user {os.getuid()}: give it to them")
    if len(os.fsencode(_socket(directory))) > SOCKET_PATH_MAX_BYTES:
        raise VolumeRefused("DATA_DIR is too long for the path of a socket: choose a shorter one")


def _socket(directory: Path) -> Path:
    return directory / "redis/redis.sock"


def _variables(directory: Path, saved: Mapping[str, str]) -> dict[str, str]:
    """Every variable that the volume answers for; secrets stay as they were saved."""
    variables = {
        "SECRET_KEY": secrets.token_urlsafe(32),
        "API_KEYS": f"{ADMIN}:{secrets.token_urlsafe(24)}:admin",
    }
    for name in variables:
        if saved.get(name):
            variables[name] = saved[name]
    variables["REDIS_URL"] = f"unix://{_socket(directory)}"
    variables["DATABASE_URL"] = f"sqlite:///{directory / 'archive.db'}"
    variables["MEDIA_URL"] = (directory / "media").as_uri()
    variables["WEB_CONCURRENCY"] = "1"
    return variables


def _require_lasting(directory: Path, kept: list[str], configured: Mapping[str, str]) -> None:
    """Raises VolumeRefused where the next deployment would lose what is kept here."""
    kept_data = [name for name in kept if name != "WEB_CONCURRENCY"]
    if not kept_data or is_lasting(directory, configured):
        return
    names = ", ".join(kept_data)
    if configured.get(CONSENT, "").lower() in ("1", "yes", "true"):
        sys.stderr.write(f"No volume at {directory}: {names} are lost with this container.\n")
        return
    raise VolumeRefused(
        f"there is no volume at {directory}, so {names} would be lost with this container. Mount "
        f"one there, set these variables, or set {CONSENT}=yes"
    )


def is_lasting(directory: Path, environ: Mapping[str, str]) -> bool:
    """Whether a directory outlives its container. On a machine of one's own every disk does."""
    is_mounted = directory.stat().st_dev != Path("/").stat().st_dev
    if is_mounted:
        return _filesystem(directory) != "tmpfs"
    is_on_platform = any(environ.get(name) for name in EPHEMERAL_PLATFORMS)
    return not is_on_platform and _filesystem(Path("/")) not in CONTAINER_FILESYSTEMS


def _filesystem(directory: Path) -> str:
    """The type of the file system that a directory is on; empty where Linux does not tell it."""
    types: dict[str, str] = {}
    try:
        lines = MOUNTS.read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        _, place, kind = line.split()[:3]
        types[place] = kind  # a later mount hides an earlier one
    mount = directory.resolve()
    while str(mount) not in types and mount != mount.parent:
        mount = mount.parent
    return types.get(str(mount), "")


def _save(path: Path, variables: Mapping[str, str]) -> None:
    """Write the file in one step; only this user may read it."""
    lines = [f"{name}='{value}'\n" for name, value in variables.items()]
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    with partial.open("w") as file:
        file.write("".join(lines))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def redis_command(directory: Path, loaded: Settings) -> list[str]:
    """The command of the Redis on the volume; empty where REDIS_URL leads elsewhere."""
    socket = _socket(directory)
    if loaded.redis_url.get_secret_value() != f"unix://{socket}":
        return []
    from deploy.local_redis import server_program  # noqa: PLC0415 - only where it is used

    socket.parent.mkdir(mode=0o700, exist_ok=True)
    configuration = socket.with_name("redis.conf")
    configuration.write_text(
        _REDIS_CONFIGURATION.format(
            socket=socket, directory=socket.parent, maxmemory=redis_memory_bytes()
        )
    )
    return [server_program(), str(configuration)]


def redis_memory_bytes() -> int:
    """A share of the container's memory: a full Redis refuses writes instead of being killed."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in CONTAINER_LIMITS:
        if path.exists():
            text = path.read_text().strip()
            if text.isdigit():  # otherwise `max`
                limits.append(int(text))
    share = min(limits) // MEMORY_SHARE
    return min(max(share, MEMORY_MIN_BYTES), MEMORY_MAX_BYTES)


def welcome(loaded: Settings) -> str:
    """The text that the first start of an installation shows once."""
    token = LoginSigner(loaded.secret_key).sign(ADMIN)
    return (
        f"Log in within {LOGIN_SECONDS // 60} minutes: {loaded.base_url}/login/{token}\n"
        "Later: `flask --app receiver login` in this container makes another link."
    )


def main() -> int:
    os.umask(0o077)
    directory = Path(os.environ["DATA_DIR"]).absolute()
    try:
        loaded, is_new = prepare(directory, os.environ)
        command = redis_command(directory, loaded)
    except (VolumeRefused, InvalidSettings) as error:
        sys.stderr.write(f"Fluxkeep cannot start: {error}\n")
        return 1
    lines: list[str] = []
    if is_new:
        lines = welcome(loaded).splitlines()
    sys.stdout.write(json.dumps({"redis": command, "welcome": lines}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
