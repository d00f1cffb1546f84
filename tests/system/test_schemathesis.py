"""Schemathesis: the API conforms to its OpenAPI document."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.procfile import ROOT
from tests.harness import KEYS, WEBHOOK_SECRET, Stack

COMMAND = Path(sys.executable).parent / "schemathesis"
# A stream is read for a second, and whoever waits for a job has its answer sooner.
OPTIONS = (
    *("--checks", "all", "--continue-on-failure", "--seed", "1", "--max-examples", "3"),
    *("--no-color", "--generation-database", "none", "--request-timeout", "1"),
    *("--header", f"Authorization: Bearer {KEYS['admin']}"),
    *("--header", f"X-Webhook-Secret: {WEBHOOK_SECRET}"),
)
# Jobs end within a second, and rate limits are off.
SETTINGS = {
    "DATABASE_URL": "sqlite:///{directory}/archive.db",
    "GIVE_UP_AFTER": "1",
    "RATE_LIMIT": "off",
    "LOG_LEVEL": "INFO",
    "NOTIFY_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


# One of the checks repeats requests without the key and with a wrong one; what each scope may do is
# the table of tests/integration/test_scopes.py.
@pytest.mark.slow
def test_the_document_is_true(stack: Stack, tmp_path: Path) -> None:
    stack.sandbox.settings.generation_seconds = 0.02
    stack.generate()
    url = f"{stack.installation.url}/openapi.json"
    configuration = ROOT / "tests" / "schemathesis.toml"
    hooks = {"SCHEMATHESIS_HOOKS": "tests.harness.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [COMMAND, "--config-file", configuration, "run", url, *OPTIONS],
        cwd=tmp_path,
        env=os.environ | hooks,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
