"""Parser for the output of `flask --app receiver doctor`."""

from collections.abc import Iterator

from receiver.checks.result import Grade, Result
from tests.harness.command_line import CommandResult
from tests.harness.required_settings import SECRETS

REDIS = ["redis", "redis_disk", "redis_eviction"]
BEFORE_START = ["settings", *REDIS, "durability", "storage"]
REMOTE = ["listing", "bfl", "outgoing", "public_url"]
PROBES = [*BEFORE_START, "redis_memory", "worker", "sweep", "batches", "rescues", "submissions"]
PROBES += ["credits", "models"]
ALL = [*PROBES, "callbacks", *REMOTE]
NEEDED = SECRETS | {"REDIS_URL": "redis://127.0.0.1/0", "MEDIA_URL": "file:///srv/media"}


def names(command: CommandResult, grade: str) -> list[str]:
    """Names of the checks with this grade; all but `ok` must come with a remedy."""
    lines = command.out.splitlines()
    found = [line for line in lines if line.startswith(f"{grade} ")]
    for line in found:
        assert grade == "ok" or lines[lines.index(line) + 1].startswith(" " * 24)
    return [line[9:24].strip() for line in found]


def failed(command: CommandResult) -> list[str]:
    wrong = names(command, "FAILED")
    assert command.code == (1 if wrong else 0), command
    assert f"{len(wrong)} failed" in command.out
    return wrong


def grades(results: Iterator[Result]) -> dict[str, Grade]:
    return {result.name: result.grade for result in results}
