"""Run the programs of docs/ as they stand there."""

import subprocess
import sys
from pathlib import Path

from tests.harness import KEYS, WEBHOOK_SECRET, Stack, third_party_clients

RUN_SECONDS = 90
NAMES = {"python": "program.py", "js": "program.mjs", "sh": "program.sh"}
GIVEN_KEYS = {
    "FLUXKEEP_KEY": KEYS["submit"],
    "BFL_API_KEY": "bfl",
    "WEBHOOK_SECRET": WEBHOOK_SECRET,
}


def interpreter(language: str) -> list[str]:
    match language:
        case "python":
            third_party_clients.blackforest()
            return [sys.executable]
        case "js":
            return third_party_clients.javascript()
    return ["bash", "-eu"]


def environment(stack: Stack) -> dict[str, str]:
    addresses = {"FLUXKEEP_URL": stack.installation.url, "BFL_URL": stack.sandbox.url}
    return third_party_clients.environment() | GIVEN_KEYS | addresses


def run(stack: Stack, directory: Path, language: str, program: str, **variables: str) -> str:
    """Run a program of a page in a directory; returns what it prints."""
    command = interpreter(language)
    (directory / NAMES[language]).write_text(program)
    done = subprocess.run(
        [*command, NAMES[language]],
        cwd=directory,
        env=environment(stack) | variables,
        timeout=RUN_SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
