"""What the README shows works as it stands there: the whole way from a wish to a file."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import foreign, node
from tests.harness.command_line import CommandLine
from tests.harness.installation import KEYS, WEBHOOK_SECRET
from tests.harness.readme import Example, example, examples
from tests.harness.scene import Scene, running_scene

# The first test may have to install BFL's SDK and the AI SDK.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

WAYS = ("Any BFL client, unchanged", "Let Fluxkeep submit", "Submit yourself")
RUN_SECONDS = 90
NAMES = {"python": "program.py", "js": "program.mjs", "sh": "program.sh"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("readme")) as running:
        yield running


def command(language: str) -> list[str]:
    """What runs a program in this language, its libraries installed."""
    match language:
        case "python":
            foreign.blackforest()
            return [sys.executable]
        case "js":
            return foreign.javascript()
    return ["bash", "-eu"]


def here(scene: Scene, program: str) -> str:
    """A program with the addresses of this run."""
    ours = program.replace("https://keep.example", scene.installation.url)
    return ours.replace("https://api.bfl.ai", scene.box.url)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("language", NAMES)
def test_a_program_of_the_readme_ends_with_the_picture_in_a_file(
    scene: Scene, tmp_path: Path, way: str, language: str
) -> None:
    before = len(scene.box.tasks())
    run = command(language)
    (tmp_path / "node_modules").symlink_to(foreign.NODE_MODULES)
    (tmp_path / NAMES[language]).write_text(here(scene, example(way, language)))
    keys = {"FLUXKEEP_KEY": KEYS["submit"], "BFL_API_KEY": "bfl", "WEBHOOK_SECRET": WEBHOOK_SECRET}
    done = subprocess.run(
        [*run, NAMES[language]],
        cwd=tmp_path,
        env={**foreign.environment(), **keys},
        timeout=RUN_SECONDS,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    (task,) = scene.box.tasks()[before:]
    assert task.input["prompt"] == "a lighthouse in the fog"
    assert (tmp_path / "lighthouse.jpeg").read_bytes() == scene.box.picture(task.id)
    scene.stored(task)


def is_sound(shown: Example, file: Path) -> bool:
    """Whether it can be read in its language, without running it."""
    match shown.language:
        case "python":
            ast.parse(shown.text)
        case "json":
            json.loads("{" + shown.text + "}" if shown.text.startswith('"') else shown.text)
        case "js" | "sh":
            file.write_text(shown.text)
            checker = [node.find("node"), "--check"] if shown.language == "js" else ["bash", "-n"]
            return subprocess.run([*checker, str(file)], check=False).returncode == 0
        case _:
            return shown.language == "mermaid"
    return True


def test_everything_else_that_is_shown_can_be_read_in_its_language(tmp_path: Path) -> None:
    shown = list(examples())
    assert len(shown) > 15
    for n, one in enumerate(shown):
        assert is_sound(one, tmp_path / f"{n}.{'mjs' if one.language == 'js' else 'sh'}"), one


def test_every_command_that_is_shown_is_one(scene: Scene) -> None:
    shell = CommandLine(scene.installation)
    for line in example("Command line", "sh").splitlines():
        flask, app, receiver, *words = line.replace(",", " ").replace(";", " ").split()
        assert (flask, app, receiver) == ("flask", "--app", "receiver")
        # Two words where the first is a group of commands.
        said = shell.run(*words[: 2 if words[0] in ("jobs", "keys") else 1], "--help")
        assert said.code == 0, line
        assert not [word for word in words if word.startswith("--") and word not in said.out], line
