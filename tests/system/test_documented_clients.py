"""The client programs of docs/clients.md end with the image in a file, over a bucket too."""

from pathlib import Path

import pytest

from tests.harness import Stack, third_party_clients
from tests.harness.documented_programs import NAMES, run
from tests.harness.documents import page, under

# The first test may have to install BFL's SDK and the AI SDK.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

STORAGES = ("bucket", "redirected bucket")
CLIENTS = page("docs/clients.md")
WAYS = ("Point a BFL client at Fluxkeep", "Let Fluxkeep submit", "Submit yourself")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("language", NAMES)
def test_a_program_ends_with_the_image_in_a_file(
    stack: Stack, tmp_path: Path, way: str, language: str
) -> None:
    before = len(stack.sandbox.tasks())
    (program,) = under(CLIENTS, way, language)
    (tmp_path / "node_modules").symlink_to(third_party_clients.NODE_MODULES)
    run(stack, tmp_path, language, program)
    (task,) = stack.sandbox.tasks()[before:]
    assert task.input["prompt"] == "a lighthouse in the fog"
    assert (tmp_path / "lighthouse.jpeg").read_bytes() == stack.sandbox.file(task.id)
    stack.stored(task)
