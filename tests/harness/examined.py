"""What a doctor said, taken apart."""

from collections.abc import Iterator

from receiver.doctor import Finding, Grade
from tests.harness.command_line import Said

PARTS = "settings", "Redis", "Redis on disk", "Redis memory", "worker", "sweep", "storage"
ALL_PARTS = [*PARTS, "BFL", "callbacks"]
NEEDED = {
    "WEBHOOK_SECRET": "a-webhook-secret-that-is-long",
    "SECRET_KEY": "a-signing-key-that-is-long",
    "API_KEYS": "app:an-api-key-that-is-long:admin",
    "REDIS_URL": "redis://127.0.0.1/0",
    "MEDIA_URL": "file:///srv/media",
}


def parts(said: Said, grade: str) -> list[str]:
    """The parts that a doctor gave this grade; what to do must stand beside all but `ok`."""
    lines = said.out.splitlines()
    found = [line for line in lines if line.startswith(f"{grade} ")]
    for line in found:
        assert grade == "ok" or lines[lines.index(line) + 1].startswith(" " * 24)
    return [line[9:24].strip() for line in found]


def failed(said: Said) -> list[str]:
    wrong = parts(said, "FAILED")
    assert said.code == (1 if wrong else 0), said
    assert f"{len(wrong)} failed" in said.out
    return wrong


def known(found: Iterator[Finding]) -> dict[str, Grade]:
    return {finding.part: finding.grade for finding in found}
