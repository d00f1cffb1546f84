"""Schemathesis: the API conforms to its OpenAPI document."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.procfile import ROOT
from tests.harness import KEYS, WEBHOOK_SECRET, Stack, running_stack
from tests.sandbox import Settings as SandboxSettings

COMMAND = Path(sys.executable).parent / "schemathesis"
CONFIGURATION = ROOT / "tests" / "schemathesis.toml"
SEED = "1"
# A stream is read for so long, and whoever waits for a job has its answer sooner.
REQUEST_SECONDS = "1"
RUN_SECONDS = 300
ALL = ("--checks", "all", "--continue-on-failure", "--seed", SEED)
PLAIN = ("--no-color", "--generation-database", "none", "--request-timeout", REQUEST_SECONDS)
# It tries wrong keys, too, and has an address of its own to do so from.
FROM = ("--header", "X-Forwarded-For: 192.0.2.1")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Jobs end within a second, and rate limits are off."""
    directory = tmp_path_factory.mktemp("schemathesis")
    brisk = SandboxSettings(generation_seconds=0.02)
    with running_stack(
        directory,
        brisk,
        GIVE_UP_AFTER="1",
        RATE_LIMIT="off",
        LOG_LEVEL="INFO",
        NOTIFY_SECRET="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ) as stack:
        stack.generate()
        yield stack


def found(stack: Stack, directory: Path, *options: str) -> str:
    """Schemathesis' findings, empty if there are none."""
    url = f"{stack.installation.url}/openapi.json"
    ended = subprocess.run(
        [COMMAND, "--config-file", CONFIGURATION, "run", url, *ALL, *PLAIN, *options],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    return ended.stdout + ended.stderr if ended.returncode else ""


def proof(name: str, value: str) -> tuple[str, str]:
    return "--header", f"{name}: {value}"


# One of the checks repeats requests without the key and with a wrong one; what each scope may do is
# the table of tests/integration/test_scopes.py.
def test_the_document_is_true(stack: Stack, tmp_path: Path) -> None:
    key = proof("Authorization", f"Bearer {KEYS['admin']}")
    secret = proof("X-Webhook-Secret", WEBHOOK_SECRET)
    assert not found(stack, tmp_path, *key, *secret, *FROM, "--max-examples", "3")
