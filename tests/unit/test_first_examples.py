"""The examples of tests/README.md are those that run."""

import pytest

from deploy.procfile import ROOT

TESTS = ROOT / "tests"
EXAMPLES = {
    "unit/steps/first_example.txt": "text",
    "integration/test_first_example.py": "python",
    "system/test_first_example.py": "python",
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_shown_as_it_runs(name: str) -> None:
    page = (TESTS / "README.md").read_text()
    program = (TESTS / name).read_text()
    assert f"`{name}`" in page
    assert f"```{EXAMPLES[name]}\n{program}```" in page
