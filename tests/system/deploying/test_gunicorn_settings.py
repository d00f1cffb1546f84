"""gunicorn's own settings come from where all others are read."""

import subprocess
import sys
from pathlib import Path

from deploy.procfile import ROOT, environment
from tests.harness import DEFAULTS

CONFIGURATION = ROOT / "deploy" / "gunicorn.conf.py"


def test_gunicorn_learns_its_processes_where_all_else_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WEB_CONCURRENCY=3\n")
    # In a process of its own: it replaces what would block.
    read = f"import runpy; print(runpy.run_path({str(CONFIGURATION)!r})['workers'])"
    given = {name: value for name, value in DEFAULTS.items() if value and name != "WEB_CONCURRENCY"}
    output = subprocess.run(
        [sys.executable, "-c", read],
        env=environment({**given, "PYTHONPATH": str(ROOT), "ENV_FILE": ""}),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.stdout == "3\n"
