"""Schemathesis: the API conforms to its OpenAPI document."""

import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from deploy.procfile import ROOT
from tests.harness import KEYS, WEBHOOK_SECRET, Stack

COMMAND = Path(sys.executable).parent / "schemathesis"
CONFIGURATION = ROOT / "tests" / "schemathesis.toml"
HOOKS = "tests.harness.schemathesis_hooks"
# A stream is read for so long, and whoever waits for a job has its answer sooner.
REQUEST_SECONDS = "1"
RUN_SECONDS = 300
OPTIONS = (
    *("--checks", "all", "--continue-on-failure", "--seed", "1", "--max-examples", "3"),
    *("--no-color", "--generation-database", "none", "--request-timeout", REQUEST_SECONDS),
)
HEADERS = {
    "Authorization": f"Bearer {KEYS['admin']}",
    "X-Webhook-Secret": WEBHOOK_SECRET,
}
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
    headers = chain(*(("--header", f"{name}: {value}") for name, value in HEADERS.items()))
    ended = subprocess.run(
        [COMMAND, "--config-file", CONFIGURATION, "run", url, *OPTIONS, *headers],
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
