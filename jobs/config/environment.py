"""Reader of the environment and of development files; no other module reads them."""

import os
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path

from jobs.domain.errors import InvalidSettings

# Development only: the file of `make run`, then the developer's, which wins.
RUN_FILE = "var/run.env"
_DEVELOPMENT_FILES = (RUN_FILE, ".env")
# The settings that `python -m deploy.all` keeps on its volume.
VOLUME_FILE = "fluxkeep.env"
_VOLUME_VARIABLE = "DATA_DIR"
_ONLY_FILE_VARIABLE = "ENV_FILE"  # names the only file to read, instead of all others

# Variables of bucket providers; secrets among them can come from files.
PROVIDER_PREFIXES = ("AWS_", "GOOGLE_", "AZURE_")
PROVIDER_SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_CLIENT_SECRET",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)
BFL_KEY_PREFIX = "BFL_API_KEY_"
_FILE_SUFFIX = "_FILE"  # of a variable that names a file with the value
_ENCODING = "utf-8-sig"  # some editors begin a file with a byte order mark
_PROCESS_MANAGERS = ("HONCHO_PROCESS_NAME", "PS")  # of honcho, of foreman
_EMPTY_IS_A_VALUE = ("RETAIN_MEDIA_DAYS", "RETAIN_JOBS_DAYS")


def read(environ: Mapping[str, str] | None, fields: Iterable[str]) -> dict[str, str]:
    """Read the variables of an environment, by default this process's with its files.

    The files are `var/run.env` and `.env`. Two variables replace them: ENV_FILE names the only
    file to read, and DATA_DIR a volume, whose file `python -m deploy.all` has made.

    `NAME_FILE` names a file that holds the value of `NAME`. An empty value counts as no value; but
    an empty RETAIN_… means forever: an empty line must not delete media. Space and line breaks
    around a value do not belong to it: files, web forms and shells add them.

    Raises InvalidSettings.
    """
    names = list(PROVIDER_SECRETS)
    for field in fields:
        names.append(field.upper())
    if environ is not None:
        return _resolved(environ, names)
    values: dict[str, str] = {}
    for path in _files_to_read():
        values.update(_resolved(read_file(path), names))
    values.update(_resolved(os.environ, names))
    return values


def _files_to_read() -> tuple[str, ...]:
    """The paths of the files to read, the least important first."""
    only_file = os.environ.get(_ONLY_FILE_VARIABLE, "").strip()
    if only_file:
        return (only_file,)
    volume = os.environ.get(_VOLUME_VARIABLE, "").strip()
    if volume and (Path(volume) / VOLUME_FILE).exists():
        return (str(Path(volume) / VOLUME_FILE),)
    return _DEVELOPMENT_FILES


def read_file(path: str) -> dict[str, str]:
    """Read the variables of a file; none if there is no such file. Raises InvalidSettings."""
    if not Path(path).exists():
        return {}
    try:  # loaded here: deployed processes have no such file
        variables = import_module("dotenv").dotenv_values(path, encoding=_ENCODING)
    except UnicodeDecodeError:
        raise InvalidSettings(f"{path}: is not UTF-8") from None
    except OSError as error:
        raise InvalidSettings(f"{path}: {error.strerror}") from None
    values = {}
    for name, value in variables.items():
        if value is not None:  # a name alone in its line assigns nothing
            values[name] = value
    return stripped(values)


def stripped(environ: Mapping[str, str]) -> dict[str, str]:
    """Each value without the space and line breaks around it, which no setting has."""
    return {name: value.strip() for name, value in environ.items()}


def bfl_key_variable(name: str) -> str:
    """The variable with the BFL key for the jobs of an API key.

    Without a name it is the variable with the BFL key for all API keys that have none of their own.
    """
    if not name:
        return "BFL_API_KEY"
    return BFL_KEY_PREFIX + name.upper().replace("-", "_")


def has_process_manager() -> bool:
    """Whether honcho or foreman started this process: they stop all processes when one exits."""
    if "DYNO" in os.environ:  # Heroku runs each process in a dyno of its own
        return False
    return any(name in os.environ for name in _PROCESS_MANAGERS)


def _resolved(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The values of an environment and of the files that it names, without empty values."""
    values = stripped(environ)
    names_with_files = list(names)
    for variable in environ:
        if variable.startswith(BFL_KEY_PREFIX) and variable.endswith(_FILE_SUFFIX):
            names_with_files.append(variable.removesuffix(_FILE_SUFFIX))
    for name in names_with_files:
        path = values.get(name + _FILE_SUFFIX)
        if not path:
            continue
        try:
            values[name] = Path(path).read_text(_ENCODING).strip()
        except (OSError, UnicodeDecodeError):
            raise InvalidSettings(f"{name}{_FILE_SUFFIX}: the file cannot be read") from None
    resolved = {}
    for name, value in values.items():
        if value or name in _EMPTY_IS_A_VALUE:
            resolved[name] = value
    return resolved
