"""Platforms understand our files, which repeat the Procfile, the settings and the code."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.procfile import ROOT, environment
from tests.harness import DEFAULTS, Stack, stopped_stack
from tests.harness.deploy_files import DEPLOY, image, manifests, pods

# What each platform says of its files.


def test_the_dockerfile_has_no_lint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


# Variables.


def test_gunicorn_learns_its_processes_where_all_else_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WEB_CONCURRENCY=3\n")
    # In a process of its own: it replaces what would block.
    read = f"import runpy; print(runpy.run_path('{DEPLOY}/gunicorn.conf.py')['workers'])"
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


# The image.


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Fluxkeep that has no files but those of its image."""
    directory = tmp_path_factory.mktemp("image")
    app = image(directory / "app")
    with stopped_stack(directory, PYTHONDONTWRITEBYTECODE="1") as stack:
        stack.installation.code = app
        stack.installation.start()
        stack.installation.wait_until_ready(path="/readyz")
        yield stack


@pytest.mark.slow
def test_the_files_of_the_image_are_enough_to_rescue(contained: Stack) -> None:
    contained.stored_with_thumbnails(contained.generate())


@pytest.mark.slow
def test_keda_scales_by_what_is_measured(contained: Stack) -> None:
    (scaler,) = manifests("scaling.yaml")
    page = contained.client.get("/metrics").text
    for trigger in scaler["spec"]["triggers"]:
        assert f"\n{trigger['metadata']['valueLocation']} " in page
    assert scaler["spec"]["scaleTargetRef"]["name"] in pods()
